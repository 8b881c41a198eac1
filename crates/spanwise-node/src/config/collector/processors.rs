//! The processors of the pipeline.

use super::component::Component;
use crate::config::memory::percentage;
use crate::config::node_file::redactor;
use crate::config::tail_sampling;
use crate::config::values::{MAX_TIME, duration, mib, not_supported, whole, without_effect};
use crate::settings::{MemoryLimit, Processor};
use spanwise_config::Field;
use spanwise_redact::RedactorBuilder;
use spanwise_tail::{ProbabilisticSamplerConfig, SpanFilter, TailSamplingConfig};
use std::time::Duration;

/// The settings of the processors.
#[derive(Default)]
pub(super) struct Processed {
    /// In the order of the pipeline.
    pub(super) processors: Vec<Processor>,
    pub(super) tail_sampling: Option<TailSamplingConfig>,
    pub(super) memory: Option<MemoryLimit>,
    pub(super) batch: Option<Batch>,
}

/// The processor `batch`.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub(super) spans: u64,
    pub(super) timeout: Duration,
}

pub(super) fn read(components: &[Component<'_>]) -> Processed {
    let mut processed = Processed::default();
    // In the pipeline, whichever mistakes its settings have.
    let mut behind: Option<&str> = None;
    for component in components {
        let Component { kind, name, reference, field } = component;
        let is_step = ["redaction", "attributes", "filter", "probabilistic_sampler"].contains(kind);
        if let (true, Some(tail)) = (is_step, behind) {
            reference.error(format!(
                "it is behind `{tail}`, which is not supported: name it before, and policies see its result"
            ));
        }
        match *kind {
            "tail_sampling" if behind.is_some() => {
                reference.error("a second `tail_sampling` is not supported: write its policies into the first");
            }
            "tail_sampling" => {
                behind = Some(name);
                processed.tail_sampling = Some(tail_sampling::read(field));
            }
            "probabilistic_sampler" => {
                let config = ProbabilisticSamplerConfig::from_field(field);
                processed.processors.push(Processor::Probabilistic(config));
            }
            "filter" => {
                let filter = Box::new(SpanFilter::from_field(field));
                processed.processors.push(Processor::Filter(filter));
            }
            "redaction" | "attributes" => {
                let builder = RedactorBuilder::from_processor(name, field);
                let built = builder.and_then(|builder| redactor(field, builder));
                processed.processors.extend(built);
            }
            "memory_limiter" if processed.memory.is_some() => {
                reference.error("a second `memory_limiter` is not supported: the node has one budget");
            }
            "memory_limiter" => processed.memory = Some(memory_limiter(field).unwrap_or_default()),
            "batch" if processed.batch.is_some() => {
                reference.error("a second `batch` is not supported: requests are joined once, behind the other processors");
            }
            "batch" => processed.batch = Some(batch(field)),
            other => reference.error(format!(
                "processors of the type `{other}` are not supported; accepted is `memory_limiter`, `redaction`, `attributes`, `filter`, \
                 `probabilistic_sampler`, `tail_sampling` or `batch`"
            )),
        }
    }
    processed
}

/// The budget is the soft limit, at which the Collector's processor begins to refuse.
fn memory_limiter(field: &Field<'_>) -> Option<MemoryLimit> {
    let mapping = field.mapping(&[
        "check_interval",
        "limit_mib",
        "spike_limit_mib",
        "limit_percentage",
        "spike_limit_percentage",
        "min_gc_interval_when_soft_limited",
        "min_gc_interval_when_hard_limited",
    ]);
    // The node charges each request, and checks nothing at intervals: each file has the key.
    let _without_effect = duration(&mapping.get("check_interval"), Duration::ZERO..=MAX_TIME);
    let reason = "the node has no garbage collector";
    let intervals = ["min_gc_interval_when_soft_limited", "min_gc_interval_when_hard_limited"];
    without_effect(&mapping, &intervals, reason);
    let (limit, share) = (mapping.get("limit_mib"), mapping.get("limit_percentage"));
    if limit.has_value() && limit.integer(0..=i64::MAX) != Some(0) {
        without_effect(
            &mapping,
            &["limit_percentage", "spike_limit_percentage"],
            "`limit_mib` overrides it",
        );
        let limit = mib(&limit)?;
        let field = mapping.get("spike_limit_mib");
        let spike = mib(&field).unwrap_or(limit / 5);
        if spike >= limit {
            field.error("it is at least `limit_mib`: nothing would be accepted");
            return None;
        }
        return Some(MemoryLimit::Bytes(limit - spike));
    }
    if !share.has_value() {
        field.error("`limit_mib` or `limit_percentage` is required");
        return None;
    }
    let Some(MemoryLimit::Share(limit)) = percentage(&share) else { return None };
    let field = mapping.get("spike_limit_percentage");
    let spike = match percentage(&field) {
        Some(MemoryLimit::Share(spike)) => spike,
        _ => limit / 5.0,
    };
    if spike >= limit {
        field.error("it is at least `limit_percentage`: nothing would be accepted");
        return None;
    }
    Some(MemoryLimit::Share(limit - spike))
}

fn batch(field: &Field<'_>) -> Batch {
    let mapping = field.mapping(&[
        "send_batch_size",
        "timeout",
        "send_batch_max_size",
        "metadata_keys",
        "metadata_cardinality_limit",
    ]);
    let reason = "requests of all clients are joined";
    not_supported(&mapping, &["metadata_keys"], reason);
    without_effect(&mapping, &["metadata_cardinality_limit"], reason);
    let size = whole(&mapping.get("send_batch_size"), 0..=1 << 20).unwrap_or(8_192);
    let max = mapping.get("send_batch_max_size");
    let most = whole(&max, 0..=1 << 32).unwrap_or_default();
    if most > 0 && most < size {
        max.error("it is less than `send_batch_size`");
    } else if most > 0 {
        max.warning(
            "requests of clients are joined and not split: one with more spans is sent as it is",
        );
    }
    let timeout = duration(&mapping.get("timeout"), Duration::ZERO..=Duration::from_secs(60));
    Batch { spans: size.max(1), timeout: timeout.unwrap_or(Duration::from_millis(200)) }
}
