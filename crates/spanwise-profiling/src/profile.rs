//! A profile: samples of call stacks with values, symbols resolved.

use crate::mappings::{Mapping, mappings};
use crate::symbols::{Line, Symbols};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// The constant parts of a kind of profile.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) name: &'static str,
    /// Type and unit of each value of a sample.
    pub(crate) sample_types: &'static [(&'static str, &'static str)],
    /// The index of the type that a reader shows first.
    pub(crate) default: usize,
    pub(crate) period_type: (&'static str, &'static str),
}

/// A profile of this process: call stacks with values, functions and lines resolved.
#[derive(Debug)]
pub struct Profile {
    pub(crate) description: &'static Description,
    pub(crate) samples: Vec<Sample>,
    pub(crate) locations: Vec<Location>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) period: i64,
    pub(crate) time: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) comments: Vec<String>,
    by_address: HashMap<usize, usize>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    /// Indices into `locations`, the innermost call first.
    pub(crate) locations: Vec<usize>,
    pub(crate) values: Vec<i64>,
}

#[derive(Debug)]
pub(crate) struct Location {
    /// 0 for a name without code.
    pub(crate) address: usize,
    /// The functions at this address, inlined ones first; empty without symbols.
    pub(crate) lines: Vec<Line>,
}

impl Profile {
    pub(crate) fn new(description: &'static Description, period: i64) -> Self {
        Self {
            description,
            samples: Vec::new(),
            locations: Vec::new(),
            mappings: mappings(),
            period,
            time: SystemTime::now(),
            duration: Duration::ZERO,
            comments: Vec::new(),
            by_address: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    /// Adds a sample of return addresses.
    pub(crate) fn push(&mut self, symbols: &mut Symbols, frames: &[usize], values: &[i64]) {
        let mut locations = Vec::with_capacity(frames.len());
        for &frame in frames {
            let index = *self.by_address.entry(frame).or_insert_with(|| {
                let lines = symbols.resolve(frame);
                // Within the call, as the format requires: the return address may be of the next line.
                self.locations.push(Location { address: frame.wrapping_sub(1), lines });
                self.locations.len() - 1
            });
            locations.push(index);
        }
        let is_visible =
            |index: &usize| !symbols.is_hidden(frames_address(&self.locations, *index));
        let first = locations.iter().position(is_visible).unwrap_or(0);
        self.samples
            .push(Sample { locations: locations.split_off(first), values: values.to_vec() });
    }

    /// Adds a sample of names that stand for no code, the innermost first.
    pub(crate) fn push_named(&mut self, names: &[&str], values: &[i64]) {
        let mut locations = Vec::with_capacity(names.len());
        for &name in names {
            let index = *self.by_name.entry(name.to_owned()).or_insert_with(|| {
                let line = Line { function: name.to_owned(), file: String::new(), line: 0 };
                self.locations.push(Location { address: 0, lines: vec![line] });
                self.locations.len() - 1
            });
            locations.push(index);
        }
        self.samples.push(Sample { locations, values: values.to_vec() });
    }

    /// Adds up samples of the same stack.
    pub(crate) fn merge(&mut self) {
        let mut merged: HashMap<Vec<usize>, Vec<i64>> = HashMap::new();
        for sample in self.samples.drain(..) {
            let values = merged.entry(sample.locations).or_default();
            values.resize(sample.values.len(), 0);
            values.iter_mut().zip(&sample.values).for_each(|(sum, value)| *sum += value);
        }
        let samples = merged.into_iter().map(|(locations, values)| Sample { locations, values });
        self.samples.extend(samples);
        self.samples.sort_by(|a, b| a.locations.cmp(&b.locations));
    }

    pub(crate) fn comment(&mut self, comment: String) {
        self.comments.push(comment);
    }

    /// One line for each stack, `outermost;…;innermost value`: the input of tools for flame graphs. The
    /// values are of the default type.
    pub fn to_folded(&self) -> String {
        let mut folded = String::new();
        for sample in &self.samples {
            let value = sample.values.get(self.description.default).copied().unwrap_or(0);
            if value <= 0 {
                continue;
            }
            let names: Vec<String> = self.functions(sample).collect();
            // A separator within a name would be read as two.
            let names: Vec<String> =
                names.iter().rev().map(|name| name.replace([';', '\n'], ":")).collect();
            let _infallible = writeln!(folded, "{} {value}", names.join(";"));
        }
        folded
    }

    /// The sum of all samples' values of a type: `cpu`, `inuse_space`, …; `None` if the profile has no such
    /// type.
    pub fn total(&self, sample_type: &str) -> Option<i64> {
        let index = self.index_of(sample_type)?;
        Some(self.samples.iter().filter_map(|sample| sample.values.get(index)).sum())
    }

    /// The sum of the values of a type over the samples in whose stack a function's name contains `function`;
    /// `None` if the profile has no such type.
    pub fn total_of(&self, function: &str, sample_type: &str) -> Option<i64> {
        let index = self.index_of(sample_type)?;
        let with = |sample: &&Sample| self.functions(sample).any(|name| name.contains(function));
        Some(self.samples.iter().filter(with).filter_map(|sample| sample.values.get(index)).sum())
    }

    /// The time that the profile covers; zero for a profile of a moment.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Statements about the profile: what it lacks, and why.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.comments.iter().map(String::as_str)
    }

    fn index_of(&self, sample_type: &str) -> Option<usize> {
        self.description.sample_types.iter().position(|(name, _)| *name == sample_type)
    }

    /// The functions of a sample, the innermost first.
    pub(crate) fn functions<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = String> + 'a {
        let locations = sample.locations.iter().filter_map(|index| self.locations.get(*index));
        locations.flat_map(|location| match location.lines.is_empty() {
            true => vec![format!("{:#x}", location.address)],
            false => location.lines.iter().map(|line| line.function.clone()).collect(),
        })
    }
}

/// The return address of a location.
fn frames_address(locations: &[Location], index: usize) -> usize {
    locations.get(index).map_or(0, |location| location.address.wrapping_add(1))
}
