//! [`TailPolicies`]: the policies of a sampler over traces that other code holds.

use std::fmt;
use std::time::Duration;

use spanwise_wire::read::SpanView;
use spanwise_wire::{StatusCode, TraceId};

use crate::engine::{TailSampler, TailSamplingConfig, TailSamplingError};
use crate::keys::KeyPool;
use crate::policy::{Decision, LimiterPool, PolicyCounts, PolicyOptions, PolicySet};
use crate::trace_view::{Flags, SpanSource, Summary, TraceSpans};

/// The policies of a [`TailSamplingConfig`], for a program that holds the spans itself: it passes each trace at the time of
/// its decision.
///
/// Of the settings, `policies`, `sample_on_first_match`, `compat` and `use_trace_state` have an effect; waits and limits are
/// the program's. `use_trace_state` changes no span.
///
/// ```
/// use spanwise_tail::{Decision, Policy, PolicyKind, SpanSource, TailPolicies, TailSamplingConfig, TraceSummary};
/// use spanwise_wire::read::SpanView;
/// use spanwise_wire::{StatusCode, TraceId};
/// use std::time::Duration;
///
/// struct Spans<'a>(Vec<SpanView<'a>>);
///
/// impl<'a> SpanSource<'a> for Spans<'a> {
///     fn len(&self) -> usize {
///         self.0.len()
///     }
///
///     fn span(&self, index: usize) -> Option<SpanView<'a>> {
///         self.0.get(index).copied()
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = TailSamplingConfig::default()
///     .with_policy(Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])));
/// let mut policies = TailPolicies::new(&config)?;
/// let span = SpanView::parse(&[])?;
/// let summary = TraceSummary::new(TraceId(7)).with_spans(1).with_status(StatusCode::Error);
/// let decision = policies.decide(&summary, &Spans(vec![span]), Duration::ZERO);
/// assert_eq!(decision, Decision::Sampled);
/// # Ok(())
/// # }
/// ```
pub struct TailPolicies {
    policies: PolicySet,
}

impl TailPolicies {
    /// Builds the policies of `config`.
    ///
    /// # Errors
    /// A policy is not valid, a setting is out of range, or there are `rules`: they write thresholds into spans, and this
    /// type changes none.
    pub fn new(config: &TailSamplingConfig) -> Result<Self, TailSamplingError> {
        TailSampler::check_settings(config)
            .map_err(|(name, message)| TailSamplingError::Setting { name, message })?;
        if !config.rules.is_empty() {
            let message = "rules need a sampler that writes thresholds; accepted are `policies`";
            return Err(TailSamplingError::Setting { name: "rules", message: message.to_owned() });
        }
        let (keys, limiters) = (KeyPool::default(), LimiterPool::default());
        let options = PolicyOptions { shards: 1, ..config.policy_options(&limiters, &keys) };
        let asks = (config.sample_on_first_match, config.dry_run);
        Ok(Self { policies: PolicySet::new(&config.policies, options, asks)? })
    }

    /// Decides about a trace; `source` has its spans. `now` is the time since any fixed instant, and never goes back: policies
    /// that limit a rate measure by it. A policy whose evaluation fails is counted and left out.
    ///
    /// # Cost
    /// Policies of attributes, trace states and conditions read the spans; the others read `summary` alone.
    pub fn decide<'a>(
        &'a mut self,
        summary: &TraceSummary,
        source: &'a dyn SpanSource<'a>,
        now: Duration,
    ) -> Decision {
        let (trace_id, summary) = (summary.trace_id.to_bytes(), summary.summary());
        self.policies.decide(trace_id, summary, &Views(source), (now, None)).decision
    }

    /// The counts of each policy, those of type `drop` first.
    pub fn counts(&self) -> impl Iterator<Item = &PolicyCounts> {
        self.policies.counts()
    }
}

/// The spans of the program.
struct Views<'a>(&'a dyn SpanSource<'a>);

impl<'s, 'a: 's> TraceSpans<'s> for Views<'a> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn span(&self, index: usize) -> Option<SpanView<'s>> {
        self.0.span(index)
    }
}

impl fmt::Debug for TailPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.counts().map(|policy| &policy.name)).finish()
    }
}

/// The facts about a trace that policies read without its spans, for [`TailPolicies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceSummary {
    trace_id: TraceId,
    spans: u64,
    bytes: u64,
    times: (u64, u64),
    /// A bit for each status code.
    statuses: u8,
    has_sampled_flag: bool,
}

impl TraceSummary {
    /// A trace without spans.
    pub fn new(trace_id: TraceId) -> Self {
        Self { trace_id, spans: 0, bytes: 0, times: (0, 0), statuses: 0, has_sampled_flag: false }
    }

    /// Changes the number of spans (`span_count`, `rate_limiting`).
    #[must_use]
    pub fn with_spans(self, spans: u64) -> Self {
        Self { spans, ..self }
    }

    /// Changes the encoded bytes of the spans (`bytes_limiting`).
    #[must_use]
    pub fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Changes the earliest start and the latest end, nanoseconds since the Unix epoch (`latency`). Without them, the policy
    /// reads the spans.
    #[must_use]
    pub fn with_times(self, start_unix_nanos: u64, end_unix_nanos: u64) -> Self {
        Self { times: (start_unix_nanos, end_unix_nanos), ..self }
    }

    /// Adds the status of a span (`status_code`).
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { statuses: self.statuses | 1 << status as u8, ..self }
    }

    /// Changes whether a span has the W3C flag "sampled" (`trace_flags`).
    #[must_use]
    pub fn with_sampled_flag(self, has_sampled_flag: bool) -> Self {
        Self { has_sampled_flag, ..self }
    }

    fn summary(&self) -> Summary {
        let flags = Flags::from_parts(self.statuses, self.times, self.has_sampled_flag);
        Summary::new(self.spans, self.bytes, self.times, flags)
    }
}
