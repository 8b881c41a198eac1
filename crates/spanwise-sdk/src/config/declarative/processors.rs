//! `tracer_provider.processors`.

use super::super::settings::{
    MAX_EXPORT_BATCH_SIZE, MAX_QUEUE_SIZE, MONTH, SCHEDULE_DELAY, Setting,
};
use super::exporters::{self, Exporter};
use super::places;
use spanwise_batch::BatchPreset;
use spanwise_config::Field;
use std::time::Duration;

/// A processor with its exporter.
#[derive(Debug)]
pub(super) struct Processor<'d> {
    /// The value of `batch` or `simple`.
    pub(super) field: Field<'d>,
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
    let read: Vec<_> = chosen
        .filter_map(|(kind, field)| if kind == "batch" { batch(&field) } else { simple(&field) })
        .collect();
    warn_of_shared(&read);
    read
}

/// Warns of keys of further processors that differ from the first: all destinations have its queue and its schedule.
fn warn_of_shared(processors: &[Processor<'_>]) {
    let Some((first, further)) = processors.split_first() else { return };
    for processor in further {
        for (key, differs) in [
            ("schedule_delay", processor.schedule_delay != first.schedule_delay),
            ("max_queue_size", processor.max_queue_size != first.max_queue_size),
            (
                "max_export_batch_size",
                processor.max_export_batch_size != first.max_export_batch_size,
            ),
        ] {
            let own = places::find(processor.field.clone(), key);
            if let Some(own) = own.filter(|own| differs && own.has_value()) {
                own.warning(SHARED);
            }
        }
    }
}

fn batch<'d>(field: &Field<'d>) -> Option<Processor<'d>> {
    let batch = field.mapping(BATCH_KEYS);
    let millis = |key: &str, default: Duration| {
        let millis = batch.get(key).integer(0..=MONTH as i64);
        millis.map_or(default, |millis| Duration::from_millis(millis.unsigned_abs()))
    };
    // The schema accepts numbers from 1 on.
    let spans = |key: &str, setting: &Setting, default: usize| {
        let spans = batch.get(key).integer(1..=*setting.range().end() as i64);
        spans.map_or(default, |spans| usize::try_from(spans).unwrap_or(usize::MAX))
    };
    let queue = spans("max_queue_size", &MAX_QUEUE_SIZE, QUEUE);
    let size = batch.get("max_export_batch_size");
    let default = DEFAULTS.max_export_batch_size().min(queue);
    let max_export_batch_size = spans("max_export_batch_size", &MAX_EXPORT_BATCH_SIZE, default);
    if max_export_batch_size > queue {
        size.error(format!("at most max_queue_size, {queue}, is accepted"));
    }
    Some(Processor {
        field: field.clone(),
        schedule_delay: millis("schedule_delay", DEFAULTS.scheduled_delay()).max(SHORTEST_DELAY),
        export_timeout: millis("export_timeout", EXPORT_TIMEOUT),
        max_queue_size: queue.max(LEAST_QUEUE),
        max_export_batch_size,
        exporter: exporters::read(&batch.get("exporter"))?,
    })
}

/// Spans leave at once, but not one by one.
fn simple<'d>(field: &Field<'d>) -> Option<Processor<'d>> {
    let simple = field.mapping(&["exporter"]);
    Some(Processor {
        field: field.clone(),
        schedule_delay: SHORTEST_DELAY,
        export_timeout: EXPORT_TIMEOUT,
        max_queue_size: QUEUE,
        max_export_batch_size: DEFAULTS.max_export_batch_size(),
        exporter: exporters::read(&simple.get("exporter"))?,
    })
}

const BATCH_KEYS: &[&str] =
    &["schedule_delay", "export_timeout", "max_queue_size", "max_export_batch_size", "exporter"];
/// The schema has the defaults of the specification, and not those of the builder.
const DEFAULTS: BatchPreset = BatchPreset::Specification;
const QUEUE: usize = DEFAULTS.max_queue_size().expect("the specification limits the queue");
const EXPORT_TIMEOUT: Duration =
    DEFAULTS.export_timeout().expect("the specification limits an export");
const SHORTEST_DELAY: Duration = Duration::from_millis(*SCHEDULE_DELAY.range().start());
const LEAST_QUEUE: usize = *MAX_QUEUE_SIZE.range().start() as usize;
const SHARED: &str =
    "it has no effect: every destination has the queue and the schedule of the first processor";
