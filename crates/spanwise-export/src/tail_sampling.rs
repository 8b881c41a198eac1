//! Tail sampling: the decision about whole local traces, after their spans have ended.

use crate::local_trace::LocalTrace;
use std::fmt;
use std::time::{Duration, Instant};

/// Decides whether a local trace is exported. A function over a [`LocalTrace`] that returns a [`TailDecision`] or a
/// boolean implements it.
///
/// A sampler runs on the exporter's thread. One that blocks delays the export, and no thread of the program until the
/// byte budget is used up. A panic is caught, counted and reported, and its trace is exported.
pub trait TailSampler: Send + 'static {
    /// Decides about `trace` at `now`.
    fn decide(&mut self, trace: &LocalTrace<'_>, now: Instant) -> TailDecision;
}

impl<F, D> TailSampler for F
where
    F: FnMut(&LocalTrace<'_>) -> D + Send + 'static,
    D: Into<TailDecision>,
{
    fn decide(&mut self, trace: &LocalTrace<'_>, _: Instant) -> TailDecision {
        self(trace).into()
    }
}

/// The decision about a local trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TailDecision {
    /// Export all spans of the trace.
    Sampled,
    /// Export none: the ledger counts them as `tail_not_sampled`.
    NotSampled,
    /// Export none, whatever else would sample the trace: the ledger counts them as `tail_dropped`.
    Dropped,
}

/// `true` is [`TailDecision::Sampled`], and `false` is [`TailDecision::NotSampled`].
impl From<bool> for TailDecision {
    fn from(sampled: bool) -> Self {
        if sampled { Self::Sampled } else { Self::NotSampled }
    }
}

/// The settings of tail sampling, with the names of the Collector's `tail_sampling` processor.
///
/// The exporter holds the spans of each trace in their chunks, charged to the byte budget, until the trace is due; then
/// it exports all of them or none. A trace is due once a span without a local parent has ended and the exporter has
/// drained every open chunk after that, which it does each scheduled delay; or once
/// [`decision_wait`](Self::with_decision_wait) is over. A flush and a shutdown decide about all traces at once. When held
/// spans take half of the memory for spans or half of the queue, or when the queue refuses spans, the earliest traces are decided
/// before they are due. Spans that arrive after the decision follow it.
pub struct TailSampling {
    pub(crate) sampler: Box<dyn TailSampler>,
    pub(crate) decision_wait: Duration,
    pub(crate) wait_after_root: Duration,
    pub(crate) num_traces: usize,
    pub(crate) max_spans_per_trace: u32,
    pub(crate) max_trace_bytes: u64,
    pub(crate) drops_pending: bool,
}

impl TailSampling {
    /// Tail sampling by a sampler or a function.
    pub fn new(sampler: impl TailSampler) -> Self {
        Self {
            sampler: Box::new(sampler),
            decision_wait: Duration::from_secs(30),
            wait_after_root: Duration::ZERO,
            num_traces: 50_000,
            max_spans_per_trace: u32::MAX,
            max_trace_bytes: u64::MAX,
            drops_pending: false,
        }
    }

    /// The time from the first span of a trace until its decision, without a local root. Default 30 s, at most 24 h.
    #[must_use]
    pub fn with_decision_wait(mut self, wait: Duration) -> Self {
        self.decision_wait = wait.min(MAX_WAIT);
        self
    }

    /// The time from the end of the local root until the decision, for spans that end later. Default 0.
    #[must_use]
    pub fn with_decision_wait_after_root_received(mut self, wait: Duration) -> Self {
        self.wait_after_root = wait.min(MAX_WAIT);
        self
    }

    /// The most undecided traces: beyond them the earliest one is decided. Default 50,000; at least 1.
    #[must_use]
    pub fn with_num_traces(mut self, traces: usize) -> Self {
        self.num_traces = traces.max(1);
        self
    }

    /// A trace with this many spans is decided at once. Default no bound; at least 1.
    #[must_use]
    pub fn with_max_spans_per_trace(mut self, spans: u32) -> Self {
        self.max_spans_per_trace = spans.max(1);
        self
    }

    /// A trace with more encoded bytes is dropped at once, as `tail_dropped`; 0 means no bound. Default 0.
    #[must_use]
    pub fn with_maximum_trace_size_bytes(mut self, bytes: u64) -> Self {
        self.max_trace_bytes = if bytes == 0 { u64::MAX } else { bytes };
        self
    }

    /// Whether a shutdown drops undecided traces, as `tail_dropped`, instead of deciding them. Default false.
    #[must_use]
    pub fn with_drop_pending_traces_on_shutdown(mut self, drops: bool) -> Self {
        self.drops_pending = drops;
        self
    }
}

impl fmt::Debug for TailSampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailSampling")
            .field("decision_wait", &self.decision_wait)
            .field("decision_wait_after_root_received", &self.wait_after_root)
            .field("num_traces", &self.num_traces)
            .finish_non_exhaustive()
    }
}

const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
