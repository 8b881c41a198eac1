//! Generated traces for tail samplers: the same seed yields the same requests.

use super::span::{self, Shape};
use crate::peers::Request;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use spanwise_testkit::SplitMix64;
use std::collections::BTreeMap;

/// The requests of one seed, by the time at which they are sent.
pub(crate) struct Load {
    /// The trace ids, in the order of their generation.
    pub(crate) traces: Vec<u128>,
    /// Requests of [`PHASES`] times.
    pub(crate) phases: [Vec<Vec<u8>>; PHASES],
    /// Number of spans of each trace.
    pub(crate) sizes: BTreeMap<u128, usize>,
    /// Number of all spans.
    pub(crate) spans: usize,
}

/// Spans are sent at the start, while traces wait for their decisions, and after all decisions.
pub(crate) const PHASES: usize = 3;

/// The trace and the span id of a span.
pub(crate) type SpanKey = (u128, u64);

/// A span with the numbers of its resource and its scope.
struct Placed {
    resource: u64,
    scope: u64,
    span: Span,
}

impl Load {
    /// The load of `count` traces.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let random = &mut SplitMix64::new(seed);
        let (mut traces, mut sizes) = (Vec::new(), BTreeMap::new());
        let mut phases: [Vec<Placed>; PHASES] = [Vec::new(), Vec::new(), Vec::new()];
        for index in 0..count {
            let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64() | 1);
            traces.push(id);
            let shape = Shape::new(random.next_u64(), index);
            sizes.insert(id, shape.spans as usize);
            add_trace(random, &shape, id, &mut phases);
        }
        let spans = phases.iter().map(Vec::len).sum();
        let phases = phases.map(|spans| requests(random, spans));
        Self { traces, phases, sizes, spans }
    }
}

/// Distributes the spans of one trace over the phases; the first phase has one at least.
fn add_trace(random: &mut SplitMix64, shape: &Shape, id: u128, phases: &mut [Vec<Placed>]) {
    let trace_resource = random.below(span::RESOURCES);
    for number in 0..shape.spans {
        // Most traces stay in few services.
        let resource =
            if random.below(4) > 0 { trace_resource } else { random.below(span::RESOURCES) };
        let phase = match random.below(20) {
            0 if number > 0 && shape.may_be_late => 1,
            1 if number > 0 && shape.may_be_late => 2,
            _ => 0,
        };
        let span = shape.span(random, id, number);
        let placed = Placed { resource, scope: random.below(span::SCOPES), span };
        if let Some(spans) = phases.get_mut(phase) {
            spans.push(placed);
        }
    }
}

/// Requests of these spans: interleaved, so that spans of many traces are in a request and spans of a trace are in several.
fn requests(random: &mut SplitMix64, mut spans: Vec<Placed>) -> Vec<Vec<u8>> {
    // Within a window, the order of arrival differs from that of the traces.
    for window in spans.chunks_mut(WINDOW) {
        for index in (1..window.len()).rev() {
            window.swap(index, random.below(index as u64 + 1) as usize);
        }
    }
    let mut requests = Vec::new();
    let mut rest = spans.into_iter().peekable();
    while rest.peek().is_some() {
        let size = 1 + random.below(2 * WINDOW as u64) as usize;
        requests.push(request(rest.by_ref().take(size)).encode_to_vec());
    }
    requests
}

/// One request, with each resource and scope once.
fn request(spans: impl Iterator<Item = Placed>) -> Request {
    let mut groups: BTreeMap<u64, BTreeMap<u64, Vec<Span>>> = BTreeMap::new();
    for Placed { resource, scope, span } in spans {
        groups.entry(resource).or_default().entry(scope).or_default().push(span);
    }
    let scope_spans = |(scope, spans): (u64, Vec<Span>)| ScopeSpans {
        scope: span::scope(scope),
        spans,
        ..ScopeSpans::default()
    };
    let resource_spans = |(resource, scopes): (u64, BTreeMap<u64, Vec<Span>>)| ResourceSpans {
        resource: span::resource(resource),
        scope_spans: scopes.into_iter().map(scope_spans).collect(),
        ..ResourceSpans::default()
    };
    Request { resource_spans: groups.into_iter().map(resource_spans).collect() }
}

/// Spans among which the order of arrival is random.
const WINDOW: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_yields_the_same_requests_and_each_trace_starts_in_the_first_phase() {
        let (load, same) = (Load::new(3, 80), Load::new(3, 80));
        assert_eq!(load.phases, same.phases);
        assert_ne!(load.phases, Load::new(4, 80).phases);
        let ids = |requests: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let decoded = requests.iter().map(|bytes| crate::peers::decoded(bytes).unwrap());
            let decoded: Vec<Request> = decoded.collect();
            decoded.iter().flat_map(spanwise_testkit::spans).map(|s| s.trace_id.clone()).collect()
        };
        let [first, middle, late] = load.phases.each_ref().map(|phase| ids(phase));
        assert_eq!(load.spans, first.len() + middle.len() + late.len());
        assert!(!middle.is_empty() && !late.is_empty());
        for trace in &load.traces {
            assert!(first.contains(&trace.to_be_bytes().to_vec()), "{trace:032x}");
        }
    }
}
