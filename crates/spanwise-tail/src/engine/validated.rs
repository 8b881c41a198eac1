//! The settings of one shard, checked.

use std::time::Duration;

use super::candidates::Candidates;
use super::config::{MAX_SPANS, SamplingStrategy, TailSamplingConfig};
use super::decision_cache::DecisionCache;
use super::error::TailSamplingError;
use super::request_writer::RequestWriter;
use super::span_index::ENTRY;
use super::span_store::SEGMENT_BYTES;
use super::timer_wheel::TimerWheel;
use super::trace_table::{Entry, TraceTable};
use crate::rules::Rule;
use crate::stress::Stress;

/// The settings of one of `num_shards` shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShardSettings {
    pub(crate) wait: Duration,
    pub(crate) wait_after_root: Option<Duration>,
    pub(crate) num_traces: usize,
    pub(crate) blocks: bool,
    pub(crate) drops_pending: bool,
    pub(crate) max_trace_bytes: u64,
    pub(crate) max_spans: u32,
    pub(crate) by_ingest: bool,
    /// Every trace is forwarded, whatever its decision.
    pub(crate) dry_run: bool,
    pub(crate) use_trace_state: bool,
    pub(crate) record_policy: bool,
    /// Late spans leave with the threshold of the decision.
    pub(crate) remembers_updates: bool,
    pub(crate) stress: Option<Stress>,
    pub(crate) max_request_bytes: usize,
    pub(crate) cache_sizes: (usize, usize),
    /// The time between two decisions, and the number of ticks of the longest wait.
    pub(crate) tick: Duration,
    pub(crate) ticks: u16,
    /// Bytes for spans, resources and scopes.
    pub(crate) span_bytes: usize,
    /// Bytes of tables and buffers.
    pub(crate) fixed_bytes: usize,
}

impl ShardSettings {
    pub(crate) fn new(config: &TailSamplingConfig) -> Result<Self, TailSamplingError> {
        Self::after(config, false)
    }

    /// As [`new`](Self::new), for shards that remember changes of thresholds already if `remembers_updates`.
    pub(crate) fn after(
        config: &TailSamplingConfig,
        remembers_updates: bool,
    ) -> Result<Self, TailSamplingError> {
        let error = |name, message: String| Err(TailSamplingError::Setting { name, message });
        let shards = usize::from(config.num_shards);
        if !(1..=MAX_SHARDS).contains(&shards) {
            return error(
                "num_shards",
                format!("{shards} is out of range; accepted is 1 to {MAX_SHARDS}"),
            );
        }
        if config.decision_wait > MAX_WAIT {
            let wait = config.decision_wait;
            return error("decision_wait", format!("{wait:?} is too long; accepted is up to 24 h"));
        }
        if config.num_traces == 0 || config.num_traces > MAX_TRACES {
            let traces = config.num_traces;
            return error(
                "num_traces",
                format!("{traces} is out of range; accepted is 1 to {MAX_TRACES}"),
            );
        }
        if config.max_spans_per_trace == 0 || config.max_spans_per_trace > MAX_SPANS {
            let spans = config.max_spans_per_trace;
            let message = format!("{spans} is out of range; accepted is 1 to {MAX_SPANS}");
            return error("max_spans_per_trace", message);
        }
        if config.max_request_bytes < MIN_REQUEST_BYTES {
            let bytes = config.max_request_bytes;
            let message = format!("{bytes} is too small; accepted is {MIN_REQUEST_BYTES} or more");
            return error("max_request_bytes", message);
        }
        let by_ingest = config.sampling_strategy == SamplingStrategy::SpanIngest;
        if by_ingest
            && let Some(policy) = config.policies.iter().find(|policy| policy.kind.is_stateful())
        {
            let name = &policy.name;
            let message = format!(
                "`span-ingest` requires all policies to be stateless, but policy {name:?} is stateful: accepted are no \
                 `rate_limiting`, no `bytes_limiting`, `latency` without `upper_threshold_ms`, `span_count` without `max_spans`"
            );
            return error("sampling_strategy", message);
        }
        if !config.rules.is_empty() && !config.policies.is_empty() {
            return error(
                "rules",
                "a sampler has either `policies` or `rules`, not both".to_owned(),
            );
        }
        if !config.rules.is_empty() && by_ingest {
            return error(
                "sampling_strategy",
                "`span-ingest` is not supported with `rules`".to_owned(),
            );
        }
        let per_shard = |number: usize| (number / shards).max(1);
        let num_traces = per_shard(config.num_traces);
        let (sampled, not_sampled) = config.cache_sizes();
        let cache_sizes = (per_shard(sampled), per_shard(not_sampled));
        if cache_sizes.0.max(cache_sizes.1) > MAX_TRACES {
            return error(
                "decision_cache",
                format!("a size is out of range; accepted is up to {MAX_TRACES}"),
            );
        }
        let tick = MIN_TICK.max(config.decision_wait / MAX_TICKS);
        let ticks = config.decision_wait.as_nanos().div_ceil(tick.as_nanos()) + 1;
        let ticks = u16::try_from(ticks).unwrap_or(u16::MAX);
        let fixed = TraceTable::bytes(num_traces)
            .saturating_add(DecisionCache::bytes(cache_sizes.0))
            .saturating_add(DecisionCache::bytes(cache_sizes.1))
            .saturating_add(RequestWriter::bytes(config.max_request_bytes))
            .saturating_add(TimerWheel::bytes(ticks));
        let stress = match config.stress_relief {
            None => None,
            Some(_) if config.dry_run => {
                let message = "a dry run decides no trace at once".to_owned();
                return error("stress_relief", message);
            }
            Some(settings) => match settings.threshold() {
                Ok(threshold) => Some(Stress::new(settings, threshold)),
                Err((key, message)) => return error("stress_relief", format!("{key}: {message}")),
            },
        };
        let remembers_updates = remembers_updates || !config.rules.is_empty() || stress.is_some();
        let mut fixed = fixed;
        if remembers_updates {
            fixed = fixed.saturating_add(DecisionCache::update_bytes(cache_sizes.0));
        }
        if config.rules.iter().any(Rule::has_budget) {
            fixed = fixed.saturating_add(num_traces.saturating_mul(Candidates::BYTES));
        }
        let least = fixed.saturating_add(MIN_SPAN_BYTES);
        let bytes = config.max_memory_bytes / shards;
        if bytes < least {
            let (bytes, least) = (config.max_memory_bytes, least.saturating_mul(shards));
            let message = format!(
                "{bytes} is too small: num_traces, decision_cache and max_request_bytes need {least} or more"
            );
            return error("max_memory_bytes", message);
        }
        let after_root = config.decision_wait_after_root_received;
        Ok(Self {
            wait: config.decision_wait,
            wait_after_root: (!after_root.is_zero()).then_some(after_root),
            num_traces,
            blocks: config.block_on_overflow,
            drops_pending: config.drop_pending_traces_on_shutdown,
            max_trace_bytes: match config.maximum_trace_size_bytes {
                0 => u64::MAX,
                bytes => bytes,
            },
            max_spans: config.max_spans_per_trace,
            by_ingest,
            dry_run: config.dry_run,
            use_trace_state: config.use_trace_state,
            record_policy: config.record_policy,
            remembers_updates,
            stress,
            max_request_bytes: config.max_request_bytes,
            cache_sizes,
            tick,
            ticks,
            span_bytes: bytes - fixed,
            fixed_bytes: fixed,
        })
    }
}

const MAX_SHARDS: usize = 256;
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Indexes have 32 bits.
const MAX_TRACES: usize = 1 << 30;
const MIN_REQUEST_BYTES: usize = 1_024;
/// Two segments, and resources for them.
const MIN_SPAN_BYTES: usize = 4 * SEGMENT_BYTES;
/// How late a decision is at most, for waits up to 13 minutes.
const MIN_TICK: Duration = Duration::from_millis(50);
const MAX_TICKS: u32 = 16_384;

/// The index of a span, and that of a trace with its place in the hash table: at least seven eighths of its places of five bytes are
/// in use before it doubles.
const _: () = assert!(ENTRY <= 24 && size_of::<Entry>() + 5 * 8 / 7 <= 64);
