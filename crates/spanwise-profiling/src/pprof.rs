//! The message `perftools.profiles.Profile` of `profile.proto`, gzipped.

use crate::ProfileError;
use crate::profile::Profile;
use flate2::Compression;
use flate2::write::GzEncoder;
use spanwise_wire::write::{put_bytes, put_message, put_varint};
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::UNIX_EPOCH;

impl Profile {
    /// The profile as gzip of the message `perftools.profiles.Profile`, which `go tool pprof` and most
    /// services for profiles read.
    ///
    /// # Errors
    /// [`ProfileError::System`] if compression fails.
    pub fn to_pprof(&self) -> Result<Vec<u8>, ProfileError> {
        encode(self).map_err(|error| ProfileError::System("gzip", error))
    }
}

fn encode(profile: &Profile) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&message(profile))?;
    gzip.finish()
}

fn message(profile: &Profile) -> Vec<u8> {
    let mut out = Vec::new();
    let mut strings = Strings::default();
    strings.index("");
    let description = profile.description;
    for (name, unit) in description.sample_types {
        put_value_type(&mut out, tag(1), [strings.index(name), strings.index(unit)]);
    }
    for sample in &profile.samples {
        put_message(&mut out, tag(2), |out| {
            let ids = sample.locations.iter().map(|index| *index as u64 + 1);
            put_packed(out, tag(1), ids);
            put_packed(out, tag(2), sample.values.iter().map(|value| *value as u64));
        });
    }
    put_mappings(&mut out, profile, &mut strings);
    let mut functions = Functions::default();
    for (index, location) in profile.locations.iter().enumerate() {
        put_message(&mut out, tag(4), |out| {
            put(out, 1, index as u64 + 1);
            put(out, 2, mapping_of(profile, location.address as u64));
            put(out, 3, location.address as u64);
            for line in &location.lines {
                let id = functions.id(strings.index(&line.function), strings.index(&line.file));
                put_message(out, tag(4), |out| {
                    put(out, 1, id);
                    put(out, 2, u64::from(line.line));
                });
            }
        });
    }
    for (&(name, file), &id) in &functions.ids {
        put_message(&mut out, tag(5), |out| {
            put(out, 1, id);
            put(out, 2, name);
            // Without the symbol's own name, field 3: pprof shortens a name that equals it as one of C++, and
            // cuts `<T as Trait>` out of it.
            put(out, 4, file);
        });
    }
    let since = profile.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    put(&mut out, 9, since.as_nanos() as u64);
    put(&mut out, 10, profile.duration.as_nanos() as u64);
    let (name, unit) = description.period_type;
    put_value_type(&mut out, tag(11), [strings.index(name), strings.index(unit)]);
    put(&mut out, 12, profile.period as u64);
    let comments = profile.comments.iter().map(|comment| strings.index(comment));
    put_packed(&mut out, tag(13), comments);
    let default = description.sample_types.get(description.default);
    put(&mut out, 14, strings.index(default.map_or("", |(name, _)| name)));
    // The order of fields is free: the table comes last, when it is complete.
    for string in &strings.all {
        put_bytes(&mut out, tag(6), string.as_bytes());
    }
    out
}

/// The mapped files. A reader resolves addresses by itself where we found no function.
fn put_mappings(out: &mut Vec<u8>, profile: &Profile, strings: &mut Strings) {
    for (index, mapping) in profile.mappings.iter().enumerate() {
        let mut lines = profile
            .locations
            .iter()
            .filter(|location| (mapping.start..mapping.end).contains(&(location.address as u64)))
            .flat_map(|location| &location.lines);
        let (has_functions, has_lines) = match lines.next() {
            Some(first) => (true, first.line > 0 || lines.any(|line| line.line > 0)),
            None => (false, false),
        };
        put_message(out, tag(3), |out| {
            put(out, 1, index as u64 + 1);
            put(out, 2, mapping.start);
            put(out, 3, mapping.end);
            put(out, 4, mapping.offset);
            put(out, 5, strings.index(&mapping.file));
            put(out, 7, u64::from(has_functions));
            put(out, 8, u64::from(has_lines));
            put(out, 9, u64::from(has_lines));
            put(out, 10, u64::from(has_lines));
        });
    }
}

/// The identifier of the mapping of an address; 0 is none.
fn mapping_of(profile: &Profile, address: u64) -> u64 {
    let index =
        profile.mappings.iter().position(|mapping| (mapping.start..mapping.end).contains(&address));
    index.map_or(0, |index| index as u64 + 1)
}

#[derive(Default)]
struct Strings {
    all: Vec<String>,
    by_text: HashMap<String, u64>,
}

impl Strings {
    fn index(&mut self, text: &str) -> u64 {
        if let Some(index) = self.by_text.get(text) {
            return *index;
        }
        let index = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.by_text.insert(text.to_owned(), index);
        index
    }
}

/// Functions by name and file.
#[derive(Default)]
struct Functions {
    ids: HashMap<(u64, u64), u64>,
}

impl Functions {
    fn id(&mut self, name: u64, file: u64) -> u64 {
        let next = self.ids.len() as u64 + 1;
        *self.ids.entry((name, file)).or_insert(next)
    }
}

fn put_value_type(out: &mut Vec<u8>, tag: u8, [name, unit]: [u64; 2]) {
    put_message(out, tag, |out| {
        put(out, 1, name);
        put(out, 2, unit);
    });
}

/// A field of wire type varint; proto3 leaves out a 0.
fn put(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3);
        put_varint(out, value);
    }
}

fn put_packed(out: &mut Vec<u8>, tag: u8, values: impl Iterator<Item = u64>) {
    let mut packed = Vec::new();
    values.for_each(|value| put_varint(&mut packed, value));
    if !packed.is_empty() {
        put_bytes(out, tag, &packed);
    }
}

/// The tag of a field with a length.
const fn tag(field: u8) -> u8 {
    field << 3 | 2
}
