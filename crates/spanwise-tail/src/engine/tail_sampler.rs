//! The public samplers.

mod metrics;
mod reload;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use spanwise_wire::read::{TraceRequest, WireError};

use super::common_settings::CommonSettings;
use super::config::TailSamplingConfig;
use super::counts::TailCounts;
use super::error::TailSamplingError;
use super::framing::{Framing, ScopeField, ScopeFields, ScopeHeader, scopes};
use super::group_table::PartFields;
use super::incoming_span::IncomingSpan;
use super::output::TailOutput;
use super::shard::{GroupFields, Refused, Shard, ShardUpdate, shard_of};
use super::validated::ShardSettings;
use crate::explain::ExplainFilter;
use crate::policy::PolicyCounts;
use crate::rules::ThroughputState;

/// The spans of a request that a sampler took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Appended {
    /// Number of spans of the request, from its first, that were taken, now or by earlier calls. The rest was refused because a limit
    /// is reached (`block_on_overflow`): pass this number as `first_span` of [`TailSampler::append_from`] after the next tick.
    pub spans: u64,
    /// Whether spans were refused.
    pub is_blocked: bool,
}

/// A tail sampler without I/O, threads and clock: requests go in, and at the times of its decisions requests of sampled spans
/// come out.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use spanwise_tail::{LatencyPolicy, Policy, TailSampler, TailSamplingConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = TailSamplingConfig::default()
///     .with_decision_wait(Duration::from_secs(10))
///     .with_policy(Policy::new("slow", LatencyPolicy::above(1_000)));
/// let start = Instant::now();
/// let mut sampler = TailSampler::new(&config, start)?;
/// let mut requests = Vec::new();
/// // resource_spans { scope_spans { spans { trace_id, span_id, name: "a", start 1 s, end 3 s } } }
/// let mut request = vec![10, 51, 18, 49, 18, 47, 10, 16];
/// request.extend([7; 16]);
/// request.extend([42, 1, b'a', 57]);
/// request.extend(1_000_000_000u64.to_le_bytes());
/// request.push(65);
/// request.extend(3_000_000_000u64.to_le_bytes());
/// request.extend([18, 6, 1, 2, 3, 4, 5, 6]);
/// let _all = sampler.append(start, &request, &mut requests)?;
/// sampler.tick(start + Duration::from_secs(11), &mut requests);
/// assert_eq!(requests, [request]);
/// assert!(sampler.counts().is_balanced());
/// # Ok(())
/// # }
/// ```
pub struct TailSampler {
    inner: ShardedTailSampler,
}

impl TailSampler {
    /// A sampler of one shard; `now` is the start of its time.
    ///
    /// # Errors
    /// A policy is not valid, or a setting is out of range.
    pub fn new(config: &TailSamplingConfig, now: Instant) -> Result<Self, TailSamplingError> {
        let config = config.clone().with_num_shards(1);
        Ok(Self { inner: ShardedTailSampler::new(&config, now)? })
    }

    /// The name of the setting that is out of range, and the reason. Policies are not checked.
    pub(crate) fn check_settings(
        config: &TailSamplingConfig,
    ) -> Result<(), (&'static str, String)> {
        match ShardSettings::new(config) {
            Err(TailSamplingError::Setting { name, message }) => Err((name, message)),
            Ok(_) | Err(TailSamplingError::Policy(_)) => Ok(()),
        }
    }

    /// Decides the traces that are due, and takes the spans of an `ExportTraceServiceRequest`. Late spans of sampled traces and, when a
    /// limit is reached, the spans of sampled traces that are decided early leave through `output`.
    ///
    /// # Errors
    /// The framing of groups and spans is malformed: no span is taken. A span that is malformed inside is counted as dropped.
    ///
    /// # Cost
    /// Each span is read once and copied once. Resources and scopes are stored once for all spans that share them.
    pub fn append(
        &mut self,
        now: Instant,
        request: &[u8],
        output: &mut dyn TailOutput,
    ) -> Result<Appended, WireError> {
        self.append_from(now, request, 0, output)
    }

    /// As [`append`](Self::append), without the spans before `first_span`, which were taken before.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_from(
        &mut self,
        now: Instant,
        request: &[u8],
        first_span: u64,
        output: &mut dyn TailOutput,
    ) -> Result<Appended, WireError> {
        self.inner.append_from(now, request, first_span, output)
    }

    /// Decides the traces that are due at `now`.
    pub fn tick(&mut self, now: Instant, output: &mut dyn TailOutput) {
        self.inner.tick(now, output);
    }

    /// The time of the next tick that decides a trace; `None` without undecided traces.
    pub fn next_tick(&mut self) -> Option<Instant> {
        self.inner.next_tick()
    }

    /// Decides all traces, or drops them with `drop_pending_traces_on_shutdown`. The sampler can be used afterwards.
    pub fn shutdown(&mut self, now: Instant, output: &mut dyn TailOutput) {
        self.inner.shutdown(now, output);
    }

    /// The state of each rule with the sampler `adaptive_throughput`.
    pub fn throughput_states(&self) -> Vec<ThroughputState> {
        self.inner.throughput_states()
    }

    /// Whether stress relief decides the traces that begin. It ends with a trace that begins after the pressure.
    pub fn is_stressed(&self) -> bool {
        self.inner.is_stressed()
    }

    /// Explains the decisions that `filter` chooses, from the next one on, to [`TailOutput::explained`]; `None` explains none.
    ///
    /// # Cost
    /// Without a filter a decision has a comparison more for each policy that is asked. A trace that may be explained is read once more
    /// for each policy, up to 10,000 spans; an explanation is memory beyond `max_memory_bytes` while the output is called.
    pub fn set_explain(&mut self, filter: Option<ExplainFilter>) {
        self.inner.set_explain(filter);
    }

    /// The account of spans and traces.
    pub fn counts(&self) -> TailCounts {
        self.inner.counts()
    }

    /// How often each policy was evaluated and decided, since the policies were set; those of type `drop` first. With rules, how often
    /// each one decided.
    pub fn policy_counts(&self) -> Vec<PolicyCounts> {
        self.inner.policy_counts()
    }

    /// Bytes of memory for undecided traces, tables and buffers: at most `max_memory_bytes`.
    pub fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }
}

/// Tail samplers that share the work by trace id, as the Collector's `num_shards`. The tables, caches and limits of memory are divided
/// among them; the tokens of `rate_limiting` and `bytes_limiting` are shared.
pub struct ShardedTailSampler {
    settings: CommonSettings,
    shards: Vec<Shard>,
    origin: Instant,
}

impl ShardedTailSampler {
    /// A sampler of [`TailSamplingConfig::num_shards`] shards; `now` is the start of its time.
    ///
    /// # Errors
    /// As [`TailSampler::new`].
    pub fn new(config: &TailSamplingConfig, now: Instant) -> Result<Self, TailSamplingError> {
        let (settings, shards) = CommonSettings::new(config)?;
        Ok(Self { settings, shards, origin: now })
    }

    /// As [`TailSampler::append`].
    ///
    /// # Errors
    /// As [`TailSampler::append`].
    pub fn append(
        &mut self,
        now: Instant,
        request: &[u8],
        output: &mut dyn TailOutput,
    ) -> Result<Appended, WireError> {
        self.append_from(now, request, 0, output)
    }

    /// As [`TailSampler::append_from`].
    ///
    /// # Errors
    /// As [`TailSampler::append`].
    pub fn append_from(
        &mut self,
        now: Instant,
        request: &[u8],
        first_span: u64,
        output: &mut dyn TailOutput,
    ) -> Result<Appended, WireError> {
        // The framing is checked as a whole: a request is taken or refused, but not cut where it is malformed.
        let framing = Framing::check(request)?;
        let now = self.since(now);
        for shard in &mut self.shards {
            shard.begin(now);
            // A busy input delays no decision.
            shard.decide_due(output);
        }
        let appended = self.take(request, &framing, first_span, output);
        self.shards.iter_mut().for_each(|shard| shard.end_request(output));
        Ok(appended)
    }

    fn take<'a>(
        &mut self,
        request: &'a [u8],
        framing: &Framing<'a>,
        first_span: u64,
        output: &mut dyn TailOutput,
    ) -> Appended {
        let (mut taken, mut index) = (Taken { seen: 0, first_span }, 0);
        for resource in TraceRequest::new(request).resources().filter_map(Result::ok) {
            // A URL that is not UTF-8 is left out.
            let schema_url = resource.schema_url().unwrap_or_default();
            let resource_fields = PartFields { message: resource.resource(), schema_url };
            for scope_spans in scopes(resource.bytes()) {
                let ScopeHeader { scope, schema_url, .. } = framing.header(index, scope_spans);
                index += 1;
                let scope = PartFields { message: scope, schema_url };
                let fields = GroupFields { resource: resource_fields, scope };
                let result = self.take_scope(scope_spans, fields, &mut taken, output);
                self.shards.iter_mut().for_each(Shard::close_group);
                if let Err(Refused) = result {
                    return Appended { spans: taken.seen, is_blocked: true };
                }
            }
            self.shards.iter_mut().for_each(|shard| shard.end_resource(output));
        }
        Appended { spans: taken.seen, is_blocked: false }
    }

    fn take_scope(
        &mut self,
        scope_spans: &[u8],
        fields: GroupFields<'_>,
        taken: &mut Taken,
        output: &mut dyn TailOutput,
    ) -> Result<(), Refused> {
        for field in ScopeFields::new(scope_spans) {
            let Ok(ScopeField::Span(bytes)) = field else { continue };
            if taken.seen >= taken.first_span {
                if let [shard] = self.shards.as_mut_slice()
                    && shard.drops_late_span(bytes)
                {
                    taken.seen += 1;
                    continue;
                }
                let span = IncomingSpan::new(bytes);
                let shards = self.shards.len();
                let index = match span.trace_id() {
                    Ok(trace_id) if shards > 1 => shard_of(trace_id, shards),
                    _ => 0,
                };
                let Some(shard) = self.shards.get_mut(index) else { return Ok(()) };
                shard.take_span(span, fields, output)?;
            }
            taken.seen += 1;
        }
        Ok(())
    }

    /// As [`TailSampler::tick`].
    pub fn tick(&mut self, now: Instant, output: &mut dyn TailOutput) {
        let now = self.since(now);
        for shard in &mut self.shards {
            shard.begin(now);
            shard.tick(output);
        }
    }

    /// As [`TailSampler::next_tick`].
    pub fn next_tick(&mut self) -> Option<Instant> {
        let deadlines = self.shards.iter_mut().filter_map(Shard::next_deadline);
        deadlines.min().and_then(|deadline| self.origin.checked_add(deadline))
    }

    /// As [`TailSampler::shutdown`].
    pub fn shutdown(&mut self, now: Instant, output: &mut dyn TailOutput) {
        let now = self.since(now);
        for shard in &mut self.shards {
            shard.begin(now);
            shard.shutdown(output, &AtomicBool::new(false));
        }
    }

    /// As [`TailSampler::set_explain`].
    pub fn set_explain(&mut self, filter: Option<ExplainFilter>) {
        let updates = self.settings.set_explain(filter);
        self.update(updates);
    }

    fn update(&mut self, updates: Vec<ShardUpdate>) {
        self.shards.iter_mut().zip(updates).for_each(|(shard, update)| shard.update(update));
    }

    /// As [`TailSampler::is_stressed`], of any shard.
    pub fn is_stressed(&self) -> bool {
        self.shards.iter().any(Shard::is_stressed)
    }

    /// As [`TailSampler::throughput_states`], of all shards together.
    pub fn throughput_states(&self) -> Vec<ThroughputState> {
        self.settings.throughput_states()
    }

    /// The account of all shards.
    pub fn counts(&self) -> TailCounts {
        let mut counts = TailCounts::default();
        self.shards.iter().for_each(|shard| counts.add(&shard.counts()));
        counts
    }

    /// As [`TailSampler::policy_counts`], of all shards together.
    pub fn policy_counts(&self) -> Vec<PolicyCounts> {
        let mut shards = self.shards.iter();
        let first = shards.next().into_iter().flat_map(Shard::policy_counts);
        let mut counts: Vec<PolicyCounts> = first.cloned().collect();
        for shard in shards {
            counts.iter_mut().zip(shard.policy_counts()).for_each(|(sum, counts)| sum.add(counts));
        }
        counts
    }

    /// As [`TailSampler::memory_bytes`].
    pub fn memory_bytes(&self) -> usize {
        self.shards.iter().map(Shard::memory_bytes).sum()
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
    }
}

/// The spans of a request that were seen, and the first that is taken.
struct Taken {
    seen: u64,
    first_span: u64,
}
