//! The production file: a short file of sampling, batching and the container's resources.
//!
//! ```yaml
//! sampling:
//!   rate: 0.1
//! batch:
//!   size: 1000
//!   timeout: 5s
//!   queue_size: 2048
//! resources:
//!   cpu_limit: "2"
//!   memory_limit: 1Gi
//! ```
//!
//! It has no `file_format`, and it is no file of OpenTelemetry's declarative configuration: the `OTEL_*` variables
//! stay in force for all that it leaves out, such as the endpoint.

mod go_duration;
mod quantity;

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::recording_sdk::RecordingSdk;
use super::super::settings::{self, Setting};
use super::redaction::{self, Redaction};
use spanwise_config::{Document, Field, Problem, Problems};
use spanwise_sampling::Sampler;
use spanwise_worker::cgroup::Limits;
use std::time::Duration;

/// The settings of the file; `None` is absent.
#[derive(Debug, Default)]
pub(super) struct Settings<'d> {
    sampler: Option<(Field<'d>, Sampler)>,
    max_export_batch_size: Option<(Field<'d>, usize)>,
    scheduled_delay: Option<Duration>,
    max_queue_size: Option<usize>,
    limits: Limits,
    redaction: Option<Redaction<'d>>,
}

/// Whether the file is a production file: it has keys, and none of the declarative configuration.
///
/// # Errors
/// The root is no mapping.
pub(super) fn is_production(document: &Document, declarative: &[&str]) -> Result<bool, Problems> {
    let read = document.read(|root| {
        let entries = root.entries();
        !entries.is_empty() && entries.iter().all(|(key, _)| !declarative.contains(key))
    })?;
    Ok(read.value)
}

/// Reads the root of a file.
pub(super) fn read(root: Field<'_>) -> Settings<'_> {
    let is_known = root.entries().iter().any(|(key, _)| KEYS.contains(key));
    if !is_known {
        // A slip may stand for a key of either kind of file.
        root.error("a file of OpenTelemetry's declarative configuration has the key `file_format`");
        root.mapping(EITHER);
        return Settings::default();
    }
    let root = root.mapping(KEYS);
    let sampling = root.get("sampling").mapping(&["rate"]);
    let batch = root.get("batch").mapping(&["size", "timeout", "queue_size"]);
    let resources = root.get("resources").mapping(&["cpu_limit", "memory_limit"]);
    let spans = |key: &str, setting: &Setting| {
        let (least, most) = setting.range().into_inner();
        let spans = batch.get(key).integer(least as i64..=most as i64)?;
        usize::try_from(spans).ok()
    };
    let size = spans("size", &settings::MAX_EXPORT_BATCH_SIZE);
    let queue = spans("queue_size", &settings::MAX_QUEUE_SIZE);
    if let (Some(size), Some(queue)) = (size, queue)
        && size > queue
    {
        batch.get("size").error(format!("at most queue_size, {queue}, is accepted"));
    }
    Settings {
        sampler: sampler(sampling.get("rate")),
        max_export_batch_size: size.map(|size| (batch.get("size"), size)),
        scheduled_delay: go_duration::read(&batch.get("timeout")),
        max_queue_size: queue,
        redaction: redaction::read(root.get("redaction")),
        limits: Limits {
            memory_bytes: quantity::bytes(&resources.get("memory_limit")),
            cpus: quantity::cpus(&resources.get("cpu_limit")),
        },
    }
}

/// The path in this file for one of the declarative configuration, which the table of settings has. The limits have
/// their own path alone.
pub(super) fn path_of(path: &str) -> Option<&str> {
    if path == "distribution.spanwise.redaction" {
        return Some("redaction");
    }
    let (_, in_part) = path.split_once('.')?;
    Some(match in_part {
        "memory_limit" | "cpu_limit" => path,
        "sampler" => "sampling.rate",
        "processors[0].batch.schedule_delay" => "batch.timeout",
        "processors[0].batch.max_queue_size" => "batch.queue_size",
        "processors[0].batch.max_export_batch_size" => "batch.size",
        _ => return None,
    })
}

/// The ratio of traces that start here; children follow their parents.
fn sampler(rate: Field<'_>) -> Option<(Field<'_>, Sampler)> {
    match Sampler::probability(rate.number(0.0..=1.0)?) {
        Ok(sampler) => Some((rate, sampler.parent_based())),
        Err(error) => {
            rate.error(error.to_string());
            None
        }
    }
}

impl Settings<'_> {
    /// Fills `builder` where the code is silent. Reports variables that the file precedes; returns the warnings.
    ///
    /// # Errors
    /// The rules of redaction cannot be used.
    pub(super) fn apply(
        self,
        builder: &mut SpanwiseBuilder,
        environment: &Environment,
    ) -> Result<Vec<Problem>, BuildError> {
        if let Some(redaction) = self.redaction {
            redaction.apply(builder)?;
        }
        let mut warnings = Vec::new();
        let replaced = |setting: &Setting, key: &str| {
            environment.report_unused(setting, &format!("the configuration file has {key}"));
        };
        match self.sampler {
            Some((rate, _)) if builder.recording_sdk == RecordingSdk::StockSdk => {
                warnings.push(rate.problem("it has no effect: the stock SDK samples the spans"));
            }
            Some((_, sampler)) if !builder.has_sampler() => {
                replaced(&settings::SAMPLER, "sampling.rate");
                replaced(&settings::SAMPLER_ARG, "sampling.rate");
                builder.sampler = Some(sampler);
            }
            _ => {}
        }
        if builder.selected_batch_preset().is_none() {
            let in_code = builder.max_queue_size;
            if let (None, Some(queue)) = (in_code, self.max_queue_size) {
                replaced(&settings::MAX_QUEUE_SIZE, "batch.queue_size");
                builder.max_queue_size = Some(queue);
            }
            let of_file = self.max_export_batch_size;
            if let (None, Some((field, size))) = (builder.max_export_batch_size, of_file) {
                replaced(&settings::MAX_EXPORT_BATCH_SIZE, "batch.size");
                // The build reports an invalid variable.
                let queue = builder.resolve_queue_size(&environment.silent()).ok().flatten();
                let max = queue.unwrap_or(usize::MAX);
                // A smaller queue in code is no mistake of the file.
                if size > max && in_code.is_none() {
                    let variable = settings::MAX_QUEUE_SIZE.variable();
                    warnings.push(field.problem(format!(
                        "`{size}` is ignored: at most {variable} is accepted; a request has up to {max} spans"
                    )));
                }
                builder.max_export_batch_size = Some(size.min(max));
            }
            if let (None, Some(delay)) = (builder.scheduled_delay, self.scheduled_delay) {
                replaced(&settings::SCHEDULE_DELAY, "batch.timeout");
                builder.scheduled_delay = Some(delay);
            }
        }
        builder.container.file = self.limits;
        Ok(warnings)
    }
}

const KEYS: &[&str] = &["sampling", "batch", "resources", "redaction"];
/// The keys of a production file, and the usual ones of the declarative configuration.
const EITHER: &[&str] = &[
    "sampling",
    "batch",
    "resources",
    "redaction",
    "file_format",
    "resource",
    "propagator",
    "tracer_provider",
];
