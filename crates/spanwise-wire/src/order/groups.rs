//! The groups of a request: resources, their scopes, and the runs of spans in them.

use super::keys::SortedKeys;
use crate::chunk::trace_id;
use crate::model::TraceId;
use crate::read::{Fields, WireError};
use crate::write::{bytes_len, put_varint};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// The groups of a request, merged.
pub(super) struct Groups<'a> {
    message: &'a [u8],
    /// Fields of the request that are no resource; OTLP has none.
    others: Vec<Range<usize>>,
    /// The fields of each resource that are no scope.
    resources: Vec<Cow<'a, [u8]>>,
    scopes: Vec<Scope<'a>>,
    runs: Vec<Run>,
    spans: u64,
}

struct Scope<'a> {
    resource: usize,
    /// The fields that are no span.
    fixed: Cow<'a, [u8]>,
}

/// Spans of one scope and trace that are neighbours in the message.
struct Run {
    scope: usize,
    trace: TraceId,
    /// The place of the first run of the same scope and trace.
    first: usize,
    start: usize,
    end: usize,
}

impl<'a> Groups<'a> {
    /// # Errors
    /// [`WireError`] if the framing of groups or spans is malformed.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (others, resources, scopes) = (Vec::new(), Vec::new(), Vec::new());
        let mut groups = Self { message, others, resources, scopes, runs: Vec::new(), spans: 0 };
        // Random keys: a sender cannot choose groups whose hashes are equal.
        let mut known_resources: HashMap<Cow<'a, [u8]>, usize> = HashMap::new();
        let mut known_scopes: HashMap<(usize, Cow<'a, [u8]>), usize> = HashMap::new();
        let (mut others, mut in_request) = (Vec::new(), Vec::new());
        let (mut in_resource, mut in_scope, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        split(message, 0..message.len(), RESOURCE_SPANS, &mut others, &mut in_request)?;
        for resource in &in_request {
            split(message, resource.value(), SCOPE_SPANS, &mut fixed, &mut in_resource)?;
            let bytes = joined(message, &fixed);
            let resource = *known_resources.entry(bytes).or_insert_with_key(|bytes| {
                groups.resources.push(bytes.clone());
                groups.resources.len() - 1
            });
            for scope in &in_resource {
                split(message, scope.value(), SPANS, &mut fixed, &mut in_scope)?;
                let key = (resource, joined(message, &fixed));
                let scope = *known_scopes.entry(key).or_insert_with_key(|(resource, fixed)| {
                    groups.scopes.push(Scope { resource: *resource, fixed: fixed.clone() });
                    groups.scopes.len() - 1
                });
                in_scope.iter().for_each(|span| groups.push(scope, span));
            }
        }
        groups.others = others;
        Ok(groups)
    }

    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    fn push(&mut self, scope: usize, span: &Item) {
        let bytes = self.message.get(span.value()).unwrap_or_default();
        let trace = trace_id(bytes).unwrap_or_default();
        self.spans += 1;
        match self.runs.last_mut() {
            Some(run) if (run.scope, run.trace, run.end) == (scope, trace, span.start) => {
                run.end = span.end;
            }
            _ => {
                self.runs.push(Run { scope, trace, first: 0, start: span.start, end: span.end });
            }
        }
    }

    /// The runs of a trace side by side, behind those of the traces that appear before it.
    pub(super) fn ordered(mut self) -> Self {
        let runs = &mut self.runs;
        let mut by_trace: Vec<usize> = (0..runs.len()).collect();
        let key = |run: &Run| (run.scope, run.trace.0);
        // Sorts, and no table of traces: the time is bounded for any ids.
        by_trace.sort_by_key(|index| runs.get(*index).map(key));
        let mut first = (None, 0);
        for index in by_trace {
            let Some(run) = runs.get_mut(index) else { continue };
            if first.0 != Some(key(run)) {
                first = (Some(key(run)), index);
            }
            run.first = first.1;
        }
        runs.sort_by_key(|run| (run.scope, run.first));
        self
    }

    /// Appends the request in the order of its runs.
    pub(super) fn write(&self, sorts_keys: bool, out: &mut Vec<u8>) {
        let slice = |range: Range<usize>| self.message.get(range).unwrap_or_default();
        let mut keys = SortedKeys::default();
        let mut lens = vec![0; self.scopes.len()];
        for run in &self.runs {
            lens.get_mut(run.scope).into_iter().for_each(|len| *len += run.end - run.start);
        }
        let mut scopes: Vec<usize> = (0..self.scopes.len()).collect();
        let resource_of = |scope: &usize| self.scopes.get(*scope).map(|scope| scope.resource);
        scopes.sort_by_key(resource_of);
        let len = |scope: usize| {
            let fixed = self.scopes.get(scope).map_or(0, |scope| scope.fixed.len());
            fixed + lens.get(scope).copied().unwrap_or_default()
        };
        out.reserve(self.message.len());
        self.others.iter().for_each(|other| out.extend_from_slice(slice(other.clone())));
        let mut scopes = scopes.as_slice();
        for (index, fixed) in self.resources.iter().enumerate() {
            let end = scopes.partition_point(|scope| resource_of(scope) <= Some(index));
            let (own, rest) = scopes.split_at(end);
            scopes = rest;
            let body = own.iter().map(|scope| bytes_len(len(*scope))).sum::<usize>();
            put_key(out, RESOURCE_SPANS, fixed.len() + body);
            out.extend_from_slice(fixed);
            for &scope in own {
                put_key(out, SCOPE_SPANS, len(scope));
                let fixed = self.scopes.get(scope).map_or(&[][..], |scope| &scope.fixed);
                out.extend_from_slice(fixed);
                let first = self.runs.partition_point(|run| run.scope < scope);
                let runs = self.runs.iter().skip(first).take_while(|run| run.scope == scope);
                for run in runs {
                    let spans = slice(run.start..run.end);
                    match sorts_keys {
                        true => keys.write_spans(spans, out),
                        false => out.extend_from_slice(spans),
                    }
                }
            }
        }
    }
}

/// The place of a field in a message: its tag, its length and its value.
struct Item {
    start: usize,
    value: usize,
    end: usize,
}

impl Item {
    fn value(&self) -> Range<usize> {
        self.value..self.end
    }
}

/// Finds the fields of the message at `place`: those of the number `repeated`, and the places of the others.
fn split(
    message: &[u8],
    place: Range<usize>,
    repeated: u32,
    others: &mut Vec<Range<usize>>,
    items: &mut Vec<Item>,
) -> Result<(), WireError> {
    others.clear();
    items.clear();
    let mut start = place.start;
    let mut fields = Fields::new(message.get(place.clone()).unwrap_or_default());
    while let Some(field) = fields.next() {
        let field = field?;
        let end = place.end - fields.rest().len();
        if field.number == repeated {
            items.push(Item { start, value: end - field.bytes()?.len(), end });
        } else {
            match others.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => others.push(start..end),
            }
        }
        start = end;
    }
    Ok(())
}

/// The bytes at `places`, one after the other: copied if there are several.
fn joined<'a>(message: &'a [u8], places: &[Range<usize>]) -> Cow<'a, [u8]> {
    let slice = |range: &Range<usize>| message.get(range.clone()).unwrap_or_default();
    match places {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(slice(one)),
        several => Cow::Owned(several.iter().map(slice).collect::<Vec<_>>().concat()),
    }
}

fn put_key(out: &mut Vec<u8>, number: u32, len: usize) {
    out.push((number << 3) as u8 | 2);
    put_varint(out, len as u64);
}

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// `ResourceSpans.scope_spans`.
const SCOPE_SPANS: u32 = 2;
/// `ScopeSpans.spans`.
const SPANS: u32 = 2;
