//! The Collector's policies over a local trace.

use spanwise_export::{LocalSpans, LocalTrace, TailDecision, TailSampler};
use spanwise_tail::{
    Decision, SamplingStrategy, SpanSource, TailPolicies, TailSamplingConfig, TailSamplingError,
    TraceSummary,
};
use spanwise_wire::StatusCode;
use spanwise_wire::read::SpanView;
use std::cell::RefCell;
use std::time::Instant;

/// The policies of one provider.
pub(super) struct Policies {
    policies: TailPolicies,
    /// Every trace is exported; the policies are evaluated all the same.
    dry_run: bool,
    /// The time of the first decision, from which rates are measured.
    origin: Option<Instant>,
}

impl Policies {
    /// # Errors
    /// A policy is not valid, or a setting is out of range.
    pub(super) fn new(config: &TailSamplingConfig) -> Result<Self, TailSamplingError> {
        // Of no effect here, and so no cause of an error.
        let mut config = config.clone().with_max_memory_bytes(usize::MAX);
        config.stress_relief = None;
        let policies = TailPolicies::new(&config)?;
        Ok(Self { policies, dry_run: config.dry_run, origin: None })
    }
}

impl TailSampler for Policies {
    fn decide(&mut self, trace: &LocalTrace<'_>, now: Instant) -> TailDecision {
        let origin = *self.origin.get_or_insert(now);
        let statuses = [StatusCode::Unset, StatusCode::Ok, StatusCode::Error];
        let summary = TraceSummary::new(trace.trace_id())
            .with_spans(trace.span_count() as u64)
            .with_bytes(trace.encoded_bytes())
            .with_times(trace.start_unix_nanos(), trace.end_unix_nanos())
            .with_sampled_flag(trace.has_sampled_flag());
        let present = statuses.into_iter().filter(|status| trace.has_status(*status));
        let summary = present.fold(summary, TraceSummary::with_status);
        let spans = Spans { trace, next: RefCell::new((0, trace.spans())) };
        let passed = now.saturating_duration_since(origin);
        match self.policies.decide(&summary, &spans, passed) {
            _ if self.dry_run => TailDecision::Sampled,
            Decision::Sampled => TailDecision::Sampled,
            Decision::NotSampled => TailDecision::NotSampled,
            Decision::Dropped => TailDecision::Dropped,
        }
    }
}

/// The spans of a trace by their index.
struct Spans<'t, 'a> {
    trace: &'t LocalTrace<'a>,
    /// The index of the next span of the iterator: policies ask for one after the other.
    next: RefCell<(usize, LocalSpans<'a>)>,
}

impl<'a> SpanSource<'a> for Spans<'_, 'a> {
    fn len(&self) -> usize {
        self.trace.span_count()
    }

    fn span(&self, index: usize) -> Option<SpanView<'a>> {
        let (next, spans) = &mut *self.next.borrow_mut();
        if index < *next {
            (*next, *spans) = (0, self.trace.spans());
        }
        let span = spans.nth(index - *next);
        *next = index + 1;
        span?.view()
    }
}

/// The settings of `config` that have a value and no effect in the application.
pub(super) fn without_effect(config: &TailSamplingConfig) -> Vec<&'static str> {
    let default = TailSamplingConfig::default();
    let settings = [
        ("block_on_overflow", config.block_on_overflow),
        ("decision_cache", config.decision_cache != default.decision_cache),
        ("num_shards", config.num_shards != 1),
        ("sampling_strategy", config.sampling_strategy == SamplingStrategy::SpanIngest),
        ("record_policy", config.record_policy),
        ("stress_relief", config.stress_relief.is_some()),
        ("max_memory_bytes", config.max_memory_bytes != default.max_memory_bytes),
        ("max_request_bytes", config.max_request_bytes != default.max_request_bytes),
    ];
    settings.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}
