//! Writes sampled spans as OTLP requests, grouped by resource and scope, without decoding them.

use spanwise_wire::write::{put_varint, varint_len};

use super::group_table::{GroupTable, PartFields};
use super::output::{SampledRequest, TailOutput};
use super::policy_record::PolicyRecord;
use crate::outgoing_trace_state::OutgoingSpan;
#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};

/// Collects encoded spans until a request is large enough.
pub(crate) struct RequestWriter {
    /// The spans as fields of `ScopeSpans`, in the order of their arrival here.
    spans: Vec<u8>,
    runs: Vec<Run>,
    count: u64,
    /// Bytes of resources, scopes and framing, as if each run had its own.
    overhead: usize,
    out: Vec<u8>,
    max_bytes: usize,
    requests: u64,
    /// The record of the next spans, and those of the runs.
    record: PolicyRecord,
    records: Vec<PolicyRecord>,
}

/// Neighbouring spans of one group and one record.
#[derive(Debug, Clone, Copy)]
struct Run {
    group: u32,
    /// The index of its record; `NO_RECORD` for none.
    record: u32,
    start: usize,
    end: usize,
}

impl RequestWriter {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            spans: Vec::new(),
            runs: Vec::new(),
            count: 0,
            overhead: 0,
            out: Vec::new(),
            max_bytes,
            requests: 0,
            record: PolicyRecord::default(),
            records: Vec::new(),
        }
    }

    /// The most bytes of memory, except for a span or a resource that is larger than a request: its segment or part is charged for its copies.
    pub(crate) fn bytes(max_bytes: usize) -> usize {
        // Spans, their copy in the request, the resources that only they have, and a run for the smallest ones.
        max_bytes.saturating_mul(3).saturating_add(MAX_RUNS * size_of::<Run>())
    }

    /// Changes the size of the requests that are not written yet.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
        if self.count == 0 {
            (self.spans, self.out) = (Vec::new(), Vec::new());
        }
    }

    /// Number of requests that were written.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// The spans that follow leave with `record` in their scopes.
    pub(crate) fn set_record(&mut self, record: &PolicyRecord) {
        if self.record != *record {
            self.record.clone_from(record);
        }
    }

    /// The index of the record of the next span.
    fn record(&mut self) -> u32 {
        if self.record.fields().is_empty() {
            return NO_RECORD;
        }
        let last = self.runs.last().map_or(0, |run| run.record as usize);
        if self.records.get(last) == Some(&self.record) {
            return last as u32;
        }
        let known = self.records.iter().position(|known| *known == self.record);
        let index = known.unwrap_or_else(|| {
            self.records.push(self.record.clone());
            self.records.len() - 1
        });
        index as u32
    }

    /// Adds a span; writes the spans before it if the request would become too large.
    pub(crate) fn push(
        &mut self,
        group: u32,
        span: OutgoingSpan<'_>,
        groups: &mut GroupTable,
        output: &mut dyn TailOutput,
    ) {
        let len = field_len(span.len());
        let record = self.record();
        let is_same = |run: &Run| (run.group, run.record) == (group, record);
        let is_next = self.runs.last().is_some_and(is_same);
        let record_len = self.record.fields().len();
        let framing = if is_next { 0 } else { group_len(groups, group) + record_len };
        let is_full = self.spans.len() + len + self.overhead + framing > self.max_bytes
            || self.runs.len() >= MAX_RUNS;
        #[cfg(feature = "planted-bugs")]
        let is_full = is_full && !planted(TailBug::RequestLimitIgnored);
        if is_full && self.count > 0 {
            self.flush(groups, output);
        }
        // A flush removes the records of its request.
        let record = self.record();
        let start = self.spans.len();
        if self.spans.capacity() == 0 {
            self.spans.reserve_exact(self.max_bytes);
        }
        self.spans.push(SPANS);
        put_varint(&mut self.spans, span.len() as u64);
        span.write(&mut self.spans);
        let end = self.spans.len();
        match self.runs.last_mut() {
            #[cfg(feature = "planted-bugs")]
            Some(run) if planted(TailBug::ScopesMixed) => run.end = end,
            Some(run) if (run.group, run.record) == (group, record) => run.end = end,
            _ => {
                groups.retain(group);
                self.overhead += group_len(groups, group) + record_len;
                self.runs.push(Run { group, record, start, end });
            }
        }
        self.count += 1;
    }

    /// Whether spans wait for a request.
    pub(crate) fn has_spans(&self) -> bool {
        self.count > 0
    }

    /// Writes the collected spans as one request.
    pub(crate) fn flush(&mut self, groups: &mut GroupTable, output: &mut dyn TailOutput) {
        if self.count == 0 {
            return;
        }
        // Stable: spans of one group keep their order.
        self.runs.sort_by_key(|run| (groups.order(run.group), run.record));
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.reserve_exact(self.max_bytes.min(self.spans.len() + self.overhead));
        for resource in
            self.runs.chunk_by(|a, b| groups.order(a.group).0 == groups.order(b.group).0)
        {
            self.put_resource(&mut out, resource, groups);
        }
        // Before the output is called, which may panic.
        let spans = std::mem::take(&mut self.count);
        for run in self.runs.drain(..) {
            groups.release(run.group, 1);
        }
        self.records.clear();
        self.spans.clear();
        self.spans.shrink_to(self.max_bytes);
        self.overhead = 0;
        self.requests += 1;
        output.request(SampledRequest { bytes: &out, spans });
        out.shrink_to(self.max_bytes);
        self.out = out;
    }

    fn put_resource(&self, out: &mut Vec<u8>, runs: &[Run], groups: &GroupTable) {
        let Some(first) = runs.first() else { return };
        let fields = groups.resource(first.group);
        let scopes = || runs.chunk_by(|a, b| (a.group, a.record) == (b.group, b.record));
        let scope_len = |runs: &[Run]| {
            let spans: usize = runs.iter().map(|run| run.end - run.start).sum();
            spans + runs.first().map_or(0, |run| self.scope_len(run, groups))
        };
        let len =
            fields_len(fields) + scopes().map(|runs| field_len(scope_len(runs))).sum::<usize>();
        put_key(out, RESOURCE_SPANS, len);
        put_fields(out, fields);
        for runs in scopes() {
            put_key(out, SCOPE_SPANS, scope_len(runs));
            runs.iter().take(1).for_each(|run| self.put_scope(out, run, groups));
            for run in runs {
                out.extend_from_slice(self.spans.get(run.start..run.end).unwrap_or_default());
            }
        }
    }
}

impl RequestWriter {
    fn scope_len(&self, run: &Run, groups: &GroupTable) -> usize {
        let fields = groups.scope(run.group);
        match self.records.get(run.record as usize) {
            None => fields_len(fields),
            Some(record) => {
                let PartFields { message, schema_url } = fields;
                let rest = PartFields { message: &[], schema_url };
                field_len(record.scope_len(message)) + fields_len(rest)
            }
        }
    }

    /// The scope of a run, with its record.
    fn put_scope(&self, out: &mut Vec<u8>, run: &Run, groups: &GroupTable) {
        let fields = groups.scope(run.group);
        let Some(record) = self.records.get(run.record as usize) else {
            return put_fields(out, fields);
        };
        let PartFields { message, schema_url } = fields;
        put_key(out, MESSAGE, record.scope_len(message));
        record.each_piece(message, |piece| out.extend_from_slice(piece));
        put_fields(out, PartFields { message: &[], schema_url });
    }
}

/// Bytes of a span as a field of `ScopeSpans`.
pub(crate) fn span_len(span: &[u8]) -> usize {
    field_len(span.len())
}

/// Bytes of the resource and the scope of a group, with the framing of a request of one.
fn group_len(groups: &GroupTable, group: u32) -> usize {
    group_fields_len(groups.resource(group), groups.scope(group))
}

pub(crate) fn group_fields_len(resource: PartFields<'_>, scope: PartFields<'_>) -> usize {
    fields_len(resource) + fields_len(scope) + 2 * (1 + 4)
}

fn fields_len(fields: PartFields<'_>) -> usize {
    let len = |len: usize| if len == 0 { 0 } else { field_len(len) };
    len(fields.message.len()) + len(fields.schema_url.len())
}

fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn put_fields(out: &mut Vec<u8>, fields: PartFields<'_>) {
    for (key, bytes) in [(MESSAGE, fields.message), (SCHEMA_URL, fields.schema_url.as_bytes())] {
        if !bytes.is_empty() {
            put_key(out, key, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

fn put_key(out: &mut Vec<u8>, key: u8, len: usize) {
    out.push(key);
    put_varint(out, len as u64);
}

/// No list of records is as long.
const NO_RECORD: u32 = u32::MAX;

// opentelemetry/proto/trace/v1/trace.proto: fields of wire type 2.
const RESOURCE_SPANS: u8 = 0x0a;
const SCOPE_SPANS: u8 = 0x12;
const SPANS: u8 = 0x12;
/// `ResourceSpans.resource` and `ScopeSpans.scope`.
const MESSAGE: u8 = 0x0a;
const SCHEMA_URL: u8 = 0x1a;
/// The most runs of a request: spans of alternating resources.
const MAX_RUNS: usize = 8_192;
