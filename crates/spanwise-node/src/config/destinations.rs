//! The section `destinations`.

use super::context::Context;
use super::otlp::{self, Retry};
use super::values::{MAX_TIME, duration, mib, name, path, whole};
use crate::settings::{DestinationSettings, DestinationSpool, Target};
use spanwise_config::Field;
use spanwise_spool::SpoolSettings;
use std::time::Duration;

/// The destinations of a list; those with a mistake have been reported.
pub(super) fn read(field: &Field<'_>, context: &Context<'_>) -> Vec<DestinationSettings> {
    let mut destinations: Vec<DestinationSettings> = Vec::new();
    for element in field.sequence() {
        let Some(destination) = one(&element, context) else { continue };
        let name = element.mapping(KEYS).get("name");
        if destinations.iter().any(|known| known.name == destination.name) {
            name.error("another destination has the same name");
        }
        destinations.push(destination);
    }
    check_batches(field, &destinations);
    destinations
}

/// Destinations share the bytes of a request, so that the least of their limits holds for all.
pub(super) fn check_batches(field: &Field<'_>, destinations: &[DestinationSettings]) {
    let limits =
        |it: &DestinationSettings| (it.max_batch_spans, it.max_batch_bytes, it.batch_timeout);
    let mut all = destinations.iter().map(limits);
    let first = all.next();
    if all.any(|it| Some(it) != first) {
        field.warning("the destinations have different values of `batch`: they share each request, so the least value of all is used");
    }
}

fn one(field: &Field<'_>, context: &Context<'_>) -> Option<DestinationSettings> {
    let mapping = field.mapping(KEYS);
    let name = name(&mapping.get("name").required()).map(str::to_owned);
    let kinds = ["otlp", "file", "debug"].map(|kind| (kind, mapping.get(kind)));
    let spool = spool(&mapping.get("spool"), context);
    let retry = match &spool {
        Some(_) => Retry::before_spool(),
        None => Retry::default(),
    };
    let mut found = kinds.iter().filter(|(_, kind)| kind.exists());
    let target = match (found.next(), found.next()) {
        (Some(("otlp", block)), None) => {
            otlp::read(block, retry, context).map(|it| Target::Otlp(Box::new(it)))
        }
        (Some(("file", block)), None) => file(block, context),
        (Some((_, block)), None) => {
            block.mapping(&[]);
            Some(Target::Debug)
        }
        _ => {
            field.error("exactly one of `otlp`, `file` or `debug` is expected");
            None
        }
    };
    let queue_bytes = mib(&mapping.get("queue_mib"));
    let requests = whole(&mapping.get("max_concurrent_requests"), 1..=256);
    let batch = mapping.get("batch").mapping(&["max_spans", "max_bytes", "timeout"]);
    let max_batch_spans = whole(&batch.get("max_spans"), 1..=1 << 20);
    let max_batch_bytes = whole(&batch.get("max_bytes"), 1..=64 << 20);
    let batch_timeout = duration(&batch.get("timeout"), Duration::ZERO..=Duration::from_secs(60));
    let mut settings = DestinationSettings::new(name?, target?);
    settings.queue_bytes = queue_bytes;
    settings.spool = spool;
    if let Some(requests) = requests {
        settings.max_concurrent_requests = requests as usize;
    }
    if let Some(spans) = max_batch_spans {
        settings.max_batch_spans = spans;
    }
    if let Some(bytes) = max_batch_bytes {
        settings.max_batch_bytes = bytes as usize;
    }
    if let Some(timeout) = batch_timeout {
        settings.batch_timeout = timeout;
    }
    Some(settings)
}

/// The block of a file.
fn file(field: &Field<'_>, context: &Context<'_>) -> Option<Target> {
    let mapping = field.mapping(&["path", "max_mib"]);
    let max_bytes = mib(&mapping.get("max_mib")).map(|bytes| bytes as u64);
    let field = mapping.get("path").required();
    let path = path(&field)?;
    context.writes(&field, &path);
    Some(Target::File { path, max_bytes })
}

fn spool(field: &Field<'_>, context: &Context<'_>) -> Option<DestinationSpool> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(SPOOL_KEYS);
    let mut settings = SpoolSettings::default();
    if let Some(bytes) = mib(&mapping.get("max_mib")) {
        settings.max_bytes = bytes as u64;
    }
    if let Some(age) = duration(&mapping.get("max_age"), Duration::from_secs(1)..=MAX_TIME) {
        settings.max_age = age;
    }
    if let Some(level) = whole(&mapping.get("compression_level"), 1..=19) {
        settings.compression_level = level as i32;
    }
    let field = mapping.get("directory").required();
    let directory = path(&field)?;
    context.writes(&field, &directory);
    Some(DestinationSpool { directory, settings })
}

pub(super) const SPOOL_KEYS: &[&str] = &["directory", "max_mib", "max_age", "compression_level"];
pub(super) const KEYS: &[&str] =
    &["name", "otlp", "file", "debug", "queue_mib", "max_concurrent_requests", "batch", "spool"];
