//! A trace as policies read it: a summary, and the spans in place.

use std::cell::OnceCell;

use spanwise_wire::read::SpanView;

use crate::policy::Votes;
use crate::span_facts::{EncodedSpan, SpanFacts};

/// The spans of a trace in the order of their arrival, for [`TailPolicies`](crate::TailPolicies).
pub trait SpanSource<'a> {
    /// Number of spans.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The span at `index`, if it can be read. Policies ask for one after the other, from the first.
    fn span(&self, index: usize) -> Option<SpanView<'a>>;
}

/// The spans of a trace in the order of their arrival: stored ones, or those of a program.
pub(crate) trait TraceSpans<'a> {
    /// Number of spans.
    fn len(&self) -> usize;

    /// The span at `index`, if it can be read.
    fn span(&self, index: usize) -> Option<SpanView<'a>>;

    /// The bytes of the span at `index`, if it can be read.
    fn encoded(&self, index: usize) -> Option<EncodedSpan<'a>> {
        self.span(index).map(EncodedSpan::from)
    }
}

/// One trace, borrowed from its encoded spans.
pub(crate) struct TraceView<'a> {
    trace_id: [u8; 16],
    summary: Summary,
    source: &'a dyn TraceSpans<'a>,
    keys: &'a [Box<str>],
    /// Where the votes of an explained trace are noted.
    votes: Option<&'a Votes>,
    /// The spans of a small trace, parsed once for all policies that look at spans.
    spans: OnceCell<Vec<SpanFacts<'a>>>,
}

impl<'a> TraceView<'a> {
    /// A trace whose spans are read from `source` when they are needed.
    pub(crate) fn new(
        trace_id: [u8; 16],
        summary: Summary,
        source: &'a dyn TraceSpans<'a>,
        keys: &'a [Box<str>],
    ) -> Self {
        Self { trace_id, summary, source, keys, votes: None, spans: OnceCell::new() }
    }

    /// The same trace, whose policies note their votes.
    pub(crate) fn with_votes(self, votes: Option<&'a Votes>) -> Self {
        Self { votes, ..self }
    }

    pub(crate) fn votes(&self) -> Option<&'a Votes> {
        self.votes
    }

    pub(crate) fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether `matches` holds for any span, in the order of their arrival.
    pub(crate) fn any(&self, mut matches: impl FnMut(&SpanFacts<'a>) -> bool) -> bool {
        let found = self.find(|span| matches(span).then_some(()));
        found.is_some()
    }

    /// The first result of `find` for a span, in the order of their arrival.
    pub(crate) fn find<T>(&self, mut find: impl FnMut(&SpanFacts<'a>) -> Option<T>) -> Option<T> {
        if self.source.len() > MAX_CACHED_SPANS {
            // The memory for all of them would exceed the bound of the sampler.
            return self.parsed().find_map(|span| find(&span));
        }
        let spans = self.spans.get_or_init(|| {
            let mut spans = Vec::with_capacity(self.source.len());
            for index in 0..self.source.len() {
                if let Some(encoded) = self.source.encoded(index) {
                    spans.push(SpanFacts::new(encoded, self.keys));
                }
            }
            spans
        });
        spans.iter().find_map(find)
    }

    fn parsed(&self) -> impl Iterator<Item = SpanFacts<'a>> {
        let keys = self.keys;
        let encoded = (0..self.source.len()).filter_map(|index| self.source.encoded(index));
        encoded.map(move |span| SpanFacts::new(span, keys))
    }
}

/// The most spans that are parsed once for all policies.
const MAX_CACHED_SPANS: usize = 64;

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
        let times = (span.start_unix_nanos(), span.end_unix_nanos());
        Self::new(span.status_code(), times, span.flags())
    }

    /// The flags of a span with these fields.
    pub(crate) fn new(status_code: i32, (start, end): (u64, u64), flags: u32) -> Self {
        let status = match status_code {
            code @ 0..=2 => 1 << code,
            _ => 0,
        };
        Self::from_parts(status, (start, end), flags & 1 == 1)
    }

    /// The flags for these bits of status codes and these times.
    pub(crate) fn from_parts(statuses: u8, (start, end): (u64, u64), is_sampled: bool) -> Self {
        let is_usual = start != 0 && start <= end && i64::try_from(end).is_ok();
        let sampled = if is_sampled { Self::SAMPLED } else { 0 };
        let times = if is_usual { 0 } else { Self::UNUSUAL_TIMES };
        Self(statuses & Self::STATUSES | sampled | times)
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

    /// The same facts about a part of a trace that has `spans` spans in all.
    pub(crate) fn with_spans(self, spans: u64) -> Self {
        Self { spans, ..self }
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
