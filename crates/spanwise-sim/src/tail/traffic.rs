//! The spans that arrive: interleaved traces, late ones, duplicates, and broken ones.

use super::made_span::{Facts, MadeSpan, Shape, encode, nested};
use super::scenario::Scenario;
use crate::random::Random;

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Traffic {
    random: Random,
    groups: Vec<Group>,
    /// The indexes of traces that are under way.
    active: Vec<u64>,
    /// Number of traces that began.
    traces: u64,
    pub(crate) spans: u64,
    last: Option<MadeSpan>,
}

/// The fields of a resource and of a scope, as they stand in a request.
#[derive(Debug)]
struct Group {
    resource: Vec<u8>,
    scope: Vec<u8>,
    /// As [`spans_of`](super::recorder::spans_of) reads them.
    key: Vec<u8>,
}

impl Traffic {
    pub(crate) fn new(seed: u64, scenario: &Scenario) -> Self {
        let mut random = Random::new(seed, "tail traffic");
        let mut group = |index: usize| {
            // Half of the resources have several scopes.
            let resource = part(index / 2, "resource", random.one_in(3));
            let scope = part(index, "scope", random.one_in(3));
            let key = [resource.1, scope.1].concat();
            Group { resource: resource.0, scope: scope.0, key }
        };
        let groups = (0..scenario.groups).map(&mut group).collect();
        Self { random, groups, active: Vec::new(), traces: 0, spans: 0, last: None }
    }

    /// The group of a span that leaves.
    pub(crate) fn group_key(&self, group: usize) -> &[u8] {
        self.groups.get(group).map(|group| group.key.as_slice()).unwrap_or_default()
    }

    /// The spans of a request, in the order in which it has them.
    pub(crate) fn draw(&mut self, scenario: &Scenario) -> Vec<MadeSpan> {
        let count = self.random.between(0, scenario.batch);
        let mut group = self.random.below(self.groups.len() as u64) as usize;
        let mut spans = Vec::new();
        for _ in 0..count {
            if self.random.one_in(3) {
                group = self.random.below(self.groups.len() as u64) as usize;
            }
            let again = self.random.one_in(25);
            let span = match self.last.take().filter(|_| again) {
                Some(span) => MadeSpan { group, ..span },
                None => self.span(scenario, group),
            };
            self.last = (span.shape == Shape::Valid).then(|| span.clone());
            spans.push(span);
        }
        spans
    }

    fn span(&mut self, scenario: &Scenario, group: usize) -> MadeSpan {
        self.spans += 1;
        let kind = self.random.below(60);
        let trace = match kind {
            // In a request with others, the model does not see whether the trace was decided before the broken span.
            0 | 2 if scenario.batch > 1 => {
                self.traces += 1;
                self.id(self.traces - 1, scenario)
            }
            _ => self.trace(scenario),
        };
        let facts = Facts::draw(&mut self.random);
        let padding = self.random.scaled(0, scenario.span_bytes) as usize;
        let mut bytes = encode(trace, self.spans, &facts, padding, &mut self.random);
        let mut shape = Shape::Valid;
        match kind {
            0 => {
                // A name that ends behind the span.
                bytes.extend([5 << 3 | 2, 99]);
                shape = Shape::Malformed;
            }
            1 => {
                let short = nested(1, &trace[..self.random.below(16) as usize]);
                bytes.extend(short);
                bytes.drain(..if bytes.starts_with(&[0x0a, 16]) { 18 } else { 0 });
                shape = Shape::InvalidId;
            }
            2 if scenario.is_tight && self.random.one_in(3) => {
                bytes.extend(nested(5, &vec![b'x'; scenario.budget]));
                shape = Shape::Oversize;
            }
            _ => {}
        }
        MadeSpan { trace, bytes, facts, shape, group }
    }

    /// A new trace, one that is under way, or an earlier one.
    fn trace(&mut self, scenario: &Scenario) -> [u8; 16] {
        let index = match self.random.below(10) {
            0 if self.traces > 0 => self.random.below(self.traces),
            1..=6 if !self.active.is_empty() => {
                let at = self.random.below(self.active.len() as u64) as usize;
                self.active.get(at).copied().unwrap_or_default()
            }
            _ => {
                self.traces += 1;
                if self.active.len() as u64 >= scenario.active {
                    self.active.remove(0);
                }
                self.active.push(self.traces - 1);
                self.traces - 1
            }
        };
        self.id(index, scenario)
    }

    fn id(&self, index: u64, scenario: &Scenario) -> [u8; 16] {
        let right = if scenario.collides { index / 2 } else { index };
        let left = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let right = (right + 1).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (u128::from(left) << 64 | u128::from(right)).to_be_bytes()
    }

    /// Whether neighbours of a request are in one `ResourceSpans`.
    pub(crate) fn share_resource(&self, one: &MadeSpan, other: &MadeSpan) -> bool {
        let resource = |span: &MadeSpan| self.groups.get(span.group).map(|group| &group.resource);
        resource(one) == resource(other)
    }

    /// The request of these spans.
    pub(crate) fn request(&self, spans: &[MadeSpan]) -> Vec<u8> {
        let mut request = Vec::new();
        let resource = |span: &MadeSpan| self.groups.get(span.group).map(|group| &group.resource);
        for of_resource in spans.chunk_by(|one, other| self.share_resource(one, other)) {
            let mut resource_spans =
                of_resource.first().and_then(resource).cloned().unwrap_or_default();
            for of_scope in of_resource.chunk_by(|a, b| a.group == b.group) {
                let group = of_scope.first().and_then(|span| self.groups.get(span.group));
                let mut scope_spans = group.map(|group| group.scope.clone()).unwrap_or_default();
                for span in of_scope {
                    scope_spans.extend(nested(2, &span.bytes));
                }
                resource_spans.extend(nested(2, &scope_spans));
            }
            request.extend(nested(1, &resource_spans));
        }
        request
    }
}

/// The fields of a resource or a scope, and what distinguishes it from others.
fn part(index: usize, name: &str, has_url: bool) -> (Vec<u8>, Vec<u8>) {
    // The first one is absent, as from senders without any.
    let message =
        if index == 0 { Vec::new() } else { nested(1, format!("{name} {index}").as_bytes()) };
    // Of a resource, field 1 is a list of attributes.
    let message = if name == "resource" && index > 0 { nested(1, &message) } else { message };
    let url = if has_url { "https://schema.test".as_bytes() } else { &[] };
    let mut fields = Vec::new();
    let mut key = Vec::new();
    for (number, value) in [(1, message.as_slice()), (3, url)] {
        if !value.is_empty() {
            fields.extend(nested(number, value));
        }
        key.extend((value.len() as u32).to_le_bytes());
        key.extend_from_slice(value);
    }
    (fields, key)
}
