//! Settings from the Collector's configuration files.

mod fields;
mod filter;
mod policies;
mod probabilistic_sampler;
mod processor;
mod rules;

use spanwise_config::{Document, Field, Mapping, Problems, Read};

use self::fields::{flag, integer, text};
use self::policies::read_policies;
use self::processor::find;
use self::rules::read_rules;
use crate::engine::{DecisionCacheConfig, SamplingStrategy, TailSampler, TailSamplingConfig};
use crate::keys::KeyPool;
use crate::policy::{Compat, LimiterPool, PolicyOptions};
use crate::stress::StressRelief;

impl TailSamplingConfig {
    /// Reads the settings from a file of the Collector, with its processor `tail_sampling`, from a file of `spanwise-node`, or from the block of the processor alone.
    ///
    /// A file with several processors of the type needs their name in `processor`: `Some("tail_sampling/name")`.
    /// Beside the Collector's keys, the block may have `compat`, `dry_run`, `max_memory_bytes`, `max_spans_per_trace`,
    /// `max_request_bytes`, `use_trace_state`, `record_policy` and `stress_relief`, and `rules` instead of `policies`.
    ///
    /// # Errors
    /// Every mistake of the block with its line, its path and, for an unknown key or value, the nearest known one.
    ///
    /// ```
    /// use spanwise_config::Document;
    /// use spanwise_tail::TailSamplingConfig;
    ///
    /// let text = b"
    /// processors:
    ///   tail_sampling:
    ///     decision_wait: 10s
    ///     policies:
    ///       - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    ///       - {name: slow, type: latency, latency: {treshold_ms: 1000}}
    /// ";
    /// let document = Document::parse("collector.yaml", text, |_| None)?;
    /// let problems = TailSamplingConfig::from_document(&document, None).map(drop).unwrap_err();
    /// assert_eq!(
    ///     problems.to_string(),
    ///     "collector.yaml:7:47: processors.tail_sampling.policies[1].latency.treshold_ms: \
    ///      unknown key; did you mean `threshold_ms`?"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_document(
        document: &Document,
        processor: Option<&str>,
    ) -> Result<Read<Self>, Problems> {
        document.read(|root| {
            let block = find(&root, TYPE, processor);
            // Without a block, the error about it is the only one.
            block.map_or_else(Self::default, |block| read(&block))
        })
    }

    /// Reads the block of the processor, which a larger file has. The field reports mistakes; the result is of no use then.
    pub fn from_field(block: &Field<'_>) -> Self {
        read(block)
    }
}

fn read(block: &Field<'_>) -> TailSamplingConfig {
    let mapping = block.mapping(KEYS);
    let defaults = TailSamplingConfig::default();
    let size = |key: &str, default: usize| {
        let number = integer(&mapping.get(key), 0..=i64::MAX);
        number.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX))
    };
    let strategy = mapping.get("sampling_strategy").choice(&[
        ("trace-complete", SamplingStrategy::TraceComplete),
        ("span-ingest", SamplingStrategy::SpanIngest),
    ]);
    let storage = mapping.get("tail_storage");
    if storage.has_value() {
        storage.error("storage outside of memory is not supported");
    }
    // The Collector's choice between a change and a copy of its input: spans are copied as they are.
    flag(&mapping, "mutates_data", false);
    let compat = compat(&mapping.get("compat"));
    let use_trace_state = flag(&mapping, "use_trace_state", false);
    let limiters = LimiterPool::default();
    let keys = KeyPool::default();
    let options =
        PolicyOptions { compat, use_trace_state, shards: 1, limiters: &limiters, keys: &keys };
    let wait = mapping.get("decision_wait").go_duration().unwrap_or(defaults.decision_wait);
    let after_root = mapping.get("decision_wait_after_root_received").go_duration();
    let shards = integer(&mapping.get("num_shards"), 1..=256).unwrap_or(1);
    let max_spans =
        integer(&mapping.get("max_spans_per_trace"), 1..=i64::from(defaults.max_spans_per_trace));
    let rules = read_rules(&mapping.get("rules"));
    let has_rules = mapping.get("rules").exists();
    let policies = mapping.get("policies");
    let policies = match has_rules && !policies.exists() {
        true => Vec::new(),
        false => read_policies(&policies, options),
    };
    let config = TailSamplingConfig {
        policies,
        rules,
        decision_wait: wait,
        decision_wait_after_root_received: after_root.unwrap_or_default(),
        num_traces: size("num_traces", defaults.num_traces),
        expected_new_traces_per_sec: size("expected_new_traces_per_sec", 0) as u64,
        block_on_overflow: flag(&mapping, "block_on_overflow", false),
        sample_on_first_match: flag(&mapping, "sample_on_first_match", false),
        drop_pending_traces_on_shutdown: flag(&mapping, "drop_pending_traces_on_shutdown", false),
        maximum_trace_size_bytes: size("maximum_trace_size_bytes", 0) as u64,
        decision_cache: decision_cache(&mapping.get("decision_cache")),
        num_shards: shards as u16,
        sampling_strategy: strategy.unwrap_or_default(),
        compat,
        use_trace_state,
        record_policy: flag(&mapping, "record_policy", false),
        dry_run: flag(&mapping, "dry_run", false),
        stress_relief: stress_relief(&mapping.get("stress_relief")),
        max_memory_bytes: size("max_memory_bytes", defaults.max_memory_bytes),
        max_spans_per_trace: max_spans.map_or(defaults.max_spans_per_trace, |spans| spans as u32),
        max_request_bytes: size("max_request_bytes", defaults.max_request_bytes),
    };
    report_settings(&config, &mapping, block);
    config
}

/// Reports settings that are out of range, each at its key.
fn report_settings(config: &TailSamplingConfig, mapping: &Mapping<'_>, block: &Field<'_>) {
    if let Err((name, message)) = TailSampler::check_settings(config) {
        let field = mapping.get(name);
        // A default may be too small for another setting.
        if field.exists() {
            field.error(message)
        } else {
            block.error(format!("{name}: {message}"))
        }
    }
}

fn stress_relief(field: &Field<'_>) -> Option<StressRelief> {
    if !field.exists() {
        return None;
    }
    let mapping = field.mapping(&[
        "activation_level",
        "deactivation_level",
        "minimum_activation_duration",
        "sampling_percentage",
    ]);
    let defaults = StressRelief::default();
    let number = |key: &str, default: f64| {
        let field = mapping.get(key);
        let range = f64::NEG_INFINITY..=f64::INFINITY;
        if field.has_value() { field.number(range).unwrap_or(default) } else { default }
    };
    let minimum = mapping.get("minimum_activation_duration").go_duration();
    let settings = defaults
        .with_levels(
            number("activation_level", defaults.activation_level),
            number("deactivation_level", defaults.deactivation_level),
        )
        .with_minimum_activation_duration(minimum.unwrap_or(defaults.minimum_activation_duration))
        .with_sampling_percentage(number("sampling_percentage", defaults.sampling_percentage));
    if let Err((key, message)) = settings.threshold() {
        mapping.get(key).error(message);
        return None;
    }
    Some(settings)
}

fn decision_cache(field: &Field<'_>) -> DecisionCacheConfig {
    let mapping = field.mapping(&["sampled_cache_size", "non_sampled_cache_size"]);
    let size = |key: &str| integer(&mapping.get(key), 0..=1 << 30).map(|size| size as usize);
    DecisionCacheConfig {
        sampled_cache_size: size("sampled_cache_size"),
        non_sampled_cache_size: size("non_sampled_cache_size"),
    }
}

fn compat(field: &Field<'_>) -> Compat {
    if !field.has_value() {
        return Compat::LATEST;
    }
    match text(field).parse() {
        Ok(compat) => compat,
        Err(error) => {
            // Another type has been reported.
            if field.string().is_some() {
                field.error(error.to_string());
            }
            Compat::LATEST
        }
    }
}

/// The Collector's type of the processor.
const TYPE: &str = "tail_sampling";

const KEYS: &[&str] = &[
    "policies",
    "rules",
    "decision_wait",
    "decision_wait_after_root_received",
    "num_traces",
    "expected_new_traces_per_sec",
    "block_on_overflow",
    "sample_on_first_match",
    "drop_pending_traces_on_shutdown",
    "maximum_trace_size_bytes",
    "decision_cache",
    "num_shards",
    "sampling_strategy",
    "tail_storage",
    "mutates_data",
    // Our own.
    "compat",
    "use_trace_state",
    "record_policy",
    "dry_run",
    "stress_relief",
    "max_memory_bytes",
    "max_spans_per_trace",
    "max_request_bytes",
];
