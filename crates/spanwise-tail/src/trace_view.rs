//! A trace as policies read it: a summary, and the spans in place.

use std::cell::OnceCell;

use spanwise_wire::read::SpanView;

/// One trace, borrowed from its encoded spans.
pub(crate) struct TraceView<'a> {
    trace_id: [u8; 16],
    summary: Summary,
    load: &'a dyn Fn() -> Vec<SpanView<'a>>,
    /// Read when the first policy asks for them: many decisions need the summary only.
    spans: OnceCell<Vec<SpanView<'a>>>,
}

impl<'a> TraceView<'a> {
    /// A trace whose spans are read by `load` when they are needed.
    pub(crate) fn new(
        trace_id: [u8; 16],
        summary: Summary,
        load: &'a dyn Fn() -> Vec<SpanView<'a>>,
    ) -> Self {
        Self { trace_id, summary, load, spans: OnceCell::new() }
    }

    pub(crate) fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The spans in the order of their arrival.
    pub(crate) fn spans(&self) -> &[SpanView<'a>] {
        self.spans.get_or_init(self.load)
    }
}

/// The facts about a trace that are counted while its spans arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    spans: u64,
    bytes: u64,
    start: u64,
    end: u64,
    flags: Flags,
}

/// One bit each: the three status codes, the W3C flag "sampled", and unusual times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    const STATUSES: u8 = 0b111;
    const SAMPLED: u8 = 0b1000;
    /// A span without start or end, or one that ends before it starts: only the spans in their order show what the
    /// Collector computes.
    const UNUSUAL_TIMES: u8 = 0b1_0000;

    pub(crate) fn of(span: &SpanView<'_>) -> Self {
        let status = match span.status_code() {
            code @ 0..=2 => 1 << code,
            _ => 0,
        };
        let (start, end) = (span.start_unix_nanos(), span.end_unix_nanos());
        let is_usual = start != 0 && start <= end && i64::try_from(end).is_ok();
        let sampled = if span.flags() & 1 == 1 { Self::SAMPLED } else { 0 };
        let times = if is_usual { 0 } else { Self::UNUSUAL_TIMES };
        Self(status | sampled | times)
    }
}

impl Summary {
    /// The summary of a trace without spans.
    pub(crate) const EMPTY: Self =
        Self { spans: 0, bytes: 0, start: u64::MAX, end: 0, flags: Flags(0) };

    /// The summary with these values.
    pub(crate) fn new(spans: u64, bytes: u64, times: (u64, u64), flags: Flags) -> Self {
        Self { spans, bytes, start: times.0, end: times.1, flags }
    }

    /// Adds a span whose field takes `bytes`.
    pub(crate) fn add(&mut self, span: &SpanView<'_>, bytes: u64) {
        self.spans += 1;
        self.bytes += bytes;
        self.start = self.start.min(span.start_unix_nanos());
        self.end = self.end.max(span.end_unix_nanos());
        self.flags.0 |= Flags::of(span).0;
    }

    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    /// Encoded bytes, with the resources and scopes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The earliest start and the latest end; `None` if the times of a span are unusual.
    pub(crate) fn times(&self) -> Option<(u64, u64)> {
        (self.flags.0 & Flags::UNUSUAL_TIMES == 0 && self.spans > 0)
            .then_some((self.start, self.end))
    }

    /// One bit for each status code that a span has: bit 0 unset, 1 ok, 2 error.
    pub(crate) fn statuses(&self) -> u8 {
        self.flags.0 & Flags::STATUSES
    }

    pub(crate) fn has_sampled_flag(&self) -> bool {
        self.flags.0 & Flags::SAMPLED != 0
    }
}
