//! `profile.proto` for prost, an implementation of protobuf that shares no code with the crate, and the
//! checks that hold for every profile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use prost::Message;
use std::io::Read as _;

#[derive(Clone, PartialEq, Message)]
pub struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
    #[prost(int64, repeated, tag = "13")]
    pub comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Mapping {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub memory_start: u64,
    #[prost(uint64, tag = "3")]
    pub memory_limit: u64,
    #[prost(uint64, tag = "4")]
    pub file_offset: u64,
    #[prost(int64, tag = "5")]
    pub filename: i64,
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
    #[prost(bool, tag = "9")]
    pub has_line_numbers: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    #[prost(uint64, tag = "3")]
    pub address: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

/// Decodes a profile and checks that every reference leads to something.
pub fn decode(gzip: &[u8]) -> Profile {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    let profile = Profile::decode(&*bytes).unwrap();
    assert_eq!(profile.string_table[0], "");
    let text = |index: i64| profile.string_table[usize::try_from(index).unwrap()].as_str();
    for kind in profile.sample_type.iter().chain(&profile.period_type) {
        assert!(!text(kind.r#type).is_empty() && !text(kind.unit).is_empty());
    }
    let default = profile.default_sample_type;
    assert!(profile.sample_type.iter().any(|kind| kind.r#type == default), "{}", text(default));
    for sample in &profile.sample {
        assert_eq!(sample.value.len(), profile.sample_type.len());
        assert!(!sample.location_id.is_empty());
        for id in &sample.location_id {
            assert_eq!(profile.location.iter().filter(|location| location.id == *id).count(), 1);
        }
    }
    for location in &profile.location {
        for line in &location.line {
            let mut functions = profile.function.iter();
            let function = functions.find(|function| function.id == line.function_id).unwrap();
            assert!(!text(function.name).is_empty() && text(function.filename).len() < 4096);
        }
        let mapping = profile.mapping.iter().find(|mapping| mapping.id == location.mapping_id);
        match mapping {
            None => assert_eq!(location.mapping_id, 0),
            Some(mapping) => {
                let range = mapping.memory_start..mapping.memory_limit;
                assert!(range.contains(&location.address) && mapping.id > 0);
                assert!(mapping.has_functions || location.line.is_empty());
            }
        }
    }
    assert!(profile.time_nanos > 1_700_000_000_000_000_000 && profile.period > 0);
    profile
}

impl Profile {
    pub fn text(&self, index: i64) -> &str {
        &self.string_table[usize::try_from(index).unwrap()]
    }

    pub fn sample_types(&self) -> Vec<(&str, &str)> {
        let types = self.sample_type.iter();
        types.map(|kind| (self.text(kind.r#type), self.text(kind.unit))).collect()
    }

    /// The sum of a type's values over the samples with a function of this name in their stack.
    #[allow(dead_code, reason = "not every test sums")]
    pub fn sum(&self, function: &str, sample_type: &str) -> i64 {
        let index = self.sample_types().iter().position(|(name, _)| *name == sample_type).unwrap();
        let has = |sample: &&Sample| {
            let locations = sample
                .location_id
                .iter()
                .map(|id| self.location.iter().find(|location| location.id == *id).unwrap());
            let mut lines = locations.flat_map(|location| &location.line);
            lines.any(|line| {
                let mut functions = self.function.iter();
                let found = functions.find(|function| function.id == line.function_id).unwrap();
                self.text(found.name).contains(function)
            })
        };
        self.sample.iter().filter(has).map(|sample| sample.value[index]).sum()
    }
}
