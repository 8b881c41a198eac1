//! `tracer_provider.processors`.

use super::exporters::{self, Exporter};
use spanwise_config::Field;
use std::time::Duration;

/// A processor with its exporter.
#[derive(Debug)]
pub(super) struct Processor<'d> {
    pub(super) schedule_delay: Duration,
    /// [`Duration::ZERO`] is no limit.
    pub(super) export_timeout: Duration,
    pub(super) max_queue_size: usize,
    pub(super) max_export_batch_size: usize,
    pub(super) exporter: Exporter<'d>,
}

pub(super) fn read<'d>(field: &Field<'d>) -> Vec<Processor<'d>> {
    let field = field.clone().required();
    let processors = field.sequence();
    if field.has_value() && processors.is_empty() {
        field.error("at least one processor is required");
    }
    let chosen = processors.iter().filter_map(|field| field.kind(&["batch", "simple"]));
    chosen
        .filter_map(|(kind, field)| if kind == "batch" { batch(&field) } else { simple(&field) })
        .collect()
}

fn batch<'d>(field: &Field<'d>) -> Option<Processor<'d>> {
    let batch = field.mapping(BATCH_KEYS);
    let millis = |key: &str, default: i64| {
        let millis = batch.get(key).integer(0..=MONTH).unwrap_or(default);
        Duration::from_millis(millis.unsigned_abs())
    };
    let spans = |key: &str, max: i64, default: i64| {
        let spans = batch.get(key).integer(1..=max).unwrap_or(default);
        usize::try_from(spans).unwrap_or(usize::MAX)
    };
    let queue = spans("max_queue_size", 1 << 24, 2048);
    let size = batch.get("max_export_batch_size");
    let max_export_batch_size = spans("max_export_batch_size", 1 << 20, 512.min(queue as i64));
    if max_export_batch_size > queue {
        size.error(format!("at most max_queue_size, {queue}, is accepted"));
    }
    Some(Processor {
        schedule_delay: millis("schedule_delay", 5_000).max(SHORTEST_DELAY),
        export_timeout: millis("export_timeout", 30_000),
        max_queue_size: queue.max(LEAST_QUEUE),
        max_export_batch_size,
        exporter: exporters::read(&batch.get("exporter"))?,
    })
}

/// Spans leave at once, but not one by one.
fn simple<'d>(field: &Field<'d>) -> Option<Processor<'d>> {
    let simple = field.mapping(&["exporter"]);
    Some(Processor {
        schedule_delay: SHORTEST_DELAY,
        export_timeout: Duration::from_secs(30),
        max_queue_size: 2048,
        max_export_batch_size: 512,
        exporter: exporters::read(&simple.get("exporter"))?,
    })
}

const BATCH_KEYS: &[&str] =
    &["schedule_delay", "export_timeout", "max_queue_size", "max_export_batch_size", "exporter"];
/// 30 days, in milliseconds.
const MONTH: i64 = 30 * 24 * 3_600_000;
const SHORTEST_DELAY: Duration = Duration::from_millis(1);
/// The smallest queue: with fewer spans, one open chunk would reserve most of it.
const LEAST_QUEUE: usize = 16;
