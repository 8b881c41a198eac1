//! The comparison of the sampled spans of both.

use super::configurations::Configuration;
use super::load::{Load, SpanKey};
use std::collections::BTreeSet;

/// A configuration after all seeds.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) condition: Option<String>,
    pub(super) traces: usize,
    /// Those of the Collector.
    pub(super) sampled_traces: usize,
    pub(super) sampled_spans: usize,
    /// The first difference of each seed.
    pub(super) problems: Vec<String>,
}

/// The spans that the Collector and Spanwise sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled<'a> {
    pub(super) theirs: &'a [SpanKey],
    pub(super) ours: &'a [SpanKey],
}

impl Outcome {
    pub(super) fn new(configuration: &Configuration) -> Self {
        Self {
            name: configuration.name.clone(),
            condition: configuration.condition().map(str::to_owned),
            traces: 0,
            sampled_traces: 0,
            sampled_spans: 0,
            problems: Vec::new(),
        }
    }

    /// Adds the results of a seed.
    pub(super) fn add(
        &mut self,
        configuration: &Configuration,
        seed: u64,
        load: &Load,
        Sampled { theirs, ours }: Sampled<'_>,
    ) {
        self.traces += load.traces.len();
        self.sampled_traces += traces_of(theirs).len();
        self.sampled_spans += theirs.len();
        let problem = if configuration.is_statistical() {
            far_apart(theirs.len(), ours.len(), load.spans)
        } else {
            difference(load, theirs, ours)
        };
        self.problems.extend(problem.map(|problem| format!("seed {seed}: {problem}")));
    }
}

fn traces_of(keys: &[SpanKey]) -> BTreeSet<u128> {
    keys.iter().map(|(trace, _)| *trace).collect()
}

/// The first traces whose sampled spans differ.
fn difference(load: &Load, theirs: &[SpanKey], ours: &[SpanKey]) -> Option<String> {
    if theirs == ours {
        return None;
    }
    let spans = |keys: &[SpanKey], trace: u128| -> Vec<u64> {
        keys.iter().filter(|(of, _)| *of == trace).map(|(_, span)| *span).collect()
    };
    let differs = |(_, trace): &(usize, &u128)| spans(theirs, **trace) != spans(ours, **trace);
    let different: Vec<(usize, &u128)> = load.traces.iter().enumerate().filter(differs).collect();
    let first = different.iter().take(3).map(|(index, trace)| {
        let (theirs, ours) = (spans(theirs, **trace), spans(ours, **trace));
        format!("{index} ({trace:032x}): spans {theirs:?} by the Collector, {ours:?} by Spanwise")
    });
    let first: Vec<String> = first.collect();
    Some(format!("{} traces differ: {}", different.len(), first.join("; ")))
}

/// Limits whose outcome depends on the time: the numbers of spans are near each other, and both are far from none and from all.
fn far_apart(theirs: usize, ours: usize, all: usize) -> Option<String> {
    let (least, most) = (theirs.min(ours), theirs.max(ours));
    let is_near = least * 3 >= most && least > 0 && most < all;
    (!is_near).then(|| format!("{theirs} spans of {all} by the Collector, {ours} by Spanwise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_more_or_less_is_a_difference() {
        let load = Load {
            traces: vec![7, 9],
            phases: Default::default(),
            sizes: Default::default(),
            spans: 3,
        };
        assert_eq!(difference(&load, &[(7, 1), (9, 1)], &[(7, 1), (9, 1)]), None);
        let problem = difference(&load, &[(7, 1), (9, 1)], &[(7, 1), (9, 1), (9, 2)]).unwrap();
        assert!(problem.starts_with("1 traces differ: 1 ("), "{problem}");
        assert!(problem.contains("spans [1] by the Collector, [1, 2] by Spanwise"), "{problem}");
        assert_eq!(far_apart(100, 120, 1_000), None);
        assert!(far_apart(100, 0, 1_000).is_some());
        assert!(far_apart(1_000, 1_000, 1_000).is_some());
        assert!(far_apart(100, 400, 1_000).is_some());
    }
}
