//! The facts about a record that its index needs, read from the request in it.

use spanwise_wire::read::TraceRequest;

use super::fingerprint::fingerprint;
use super::services::Services;

/// The facts about one request: its traces, services and times.
///
/// # Memory
/// 8 bytes for each trace, and the names of its services, at most 1024.
#[derive(Debug, Clone, Default)]
pub struct RecordFacts {
    /// Fingerprints, each once, ascending.
    pub(super) traces: Vec<u64>,
    pub(super) services: Services,
    /// There are spans of services that `services` does not have.
    pub(super) has_further_services: bool,
    pub(super) times: Times,
}

/// The times of a record's spans, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    pub(super) spans: u64,
    /// 0 if no span has a time.
    pub(super) earliest: u64,
    pub(super) latest: u64,
}

impl RecordFacts {
    /// Reads an `ExportTraceServiceRequest`. `seed` is that of the index that will have the record.
    ///
    /// A span without a valid trace id is counted and not found by id. A malformed group ends the reading: its
    /// spans are not found either, as no reader can return them.
    ///
    /// # Cost
    /// The ids and times of each span are read, about 0.1 ms for 1 MiB.
    pub fn read(request: &[u8], seed: u64) -> Self {
        let mut facts = Self::default();
        let mut last = None;
        for resource in TraceRequest::new(request).resources().map_while(Result::ok) {
            let before = facts.times.spans;
            for span in resource.scopes().map_while(Result::ok).flat_map(|scope| scope.spans()) {
                facts.times.spans += 1;
                let Ok(span) = span else { continue };
                facts.times.add(span.start_unix_nanos(), span.end_unix_nanos());
                // Neighbours are often of one trace.
                if let Some(id) = span.trace_id()
                    && last != Some(id)
                {
                    last = Some(id);
                    facts.traces.push(fingerprint(&id, seed));
                }
            }
            if facts.times.spans > before {
                let name = resource.attribute("service.name").and_then(|value| value.as_str());
                let number = facts.services.number_or_add(name.unwrap_or_default());
                facts.has_further_services |= number.is_none();
            }
        }
        facts.traces.sort_unstable();
        facts.traces.dedup();
        facts.traces.shrink_to_fit();
        facts
    }

    /// Number of spans.
    pub fn spans(&self) -> u64 {
        self.times.spans
    }

    /// The earliest start in nanoseconds since the Unix epoch, of the spans that have one; a span without a start
    /// counts with its end. 0 if no span has a time.
    pub fn earliest_unix_nanos(&self) -> u64 {
        self.times.earliest
    }

    /// The latest end or start in nanoseconds since the Unix epoch; 0 if no span has a time.
    pub fn latest_unix_nanos(&self) -> u64 {
        self.times.latest
    }
}

impl Times {
    fn add(&mut self, start: u64, end: u64) {
        let first = if start > 0 { start } else { end };
        if first > 0 && (self.earliest == 0 || first < self.earliest) {
            self.earliest = first;
        }
        self.latest = self.latest.max(start).max(end);
    }
}
