//! The block `sending_queue` of an exporter.

use super::extensions::{Extensions, is_enabled};
use crate::config::context::Context;
use crate::config::values::{
    duration, not_supported, not_supported_if_true, whole, without_effect,
};
use crate::settings::{DestinationSettings, DestinationSpool};
use spanwise_config::{Field, Mapping};
use spanwise_spool::SpoolSettings;
use std::time::Duration;

/// The settings of a queue.
#[derive(Default)]
pub(super) struct Queue {
    /// In bytes.
    pub(super) size: Option<usize>,
    consumers: Option<usize>,
    spool: Option<DestinationSpool>,
    pub(super) has_batch: bool,
    max_spans: Option<u64>,
    max_bytes: Option<usize>,
    flush_timeout: Option<Duration>,
}

impl Queue {
    /// Reads the block of the exporter `name`.
    pub(super) fn read(
        exporter: &Mapping<'_>,
        name: &str,
        extensions: &Extensions<'_>,
        context: &Context<'_>,
    ) -> Self {
        not_supported(exporter, &["batcher"], "write `sending_queue.batch`");
        let field = exporter.get("sending_queue");
        let mapping = field.mapping(KEYS);
        if !is_enabled(&mapping) {
            mapping.get("enabled").error(
                "it is not supported: the node owns what it accepts, and has a queue in each case",
            );
        }
        let reason = "requests are answered when the node owns them";
        not_supported_if_true(&mapping, "wait_for_result", reason);
        let reason = "while the node has no space, clients are asked to try again";
        without_effect(&mapping, &["block_on_overflow"], reason);
        let size = whole(&mapping.get("queue_size"), 1..=1 << 50);
        let unit = sizer(&mapping.get("sizer"));
        let size = match unit {
            Sizer::Bytes => size.and_then(|size| usize::try_from(size).ok()),
            Sizer::Others => {
                let reason = "the queue is bounded in bytes: `sizer: bytes` states them, and a half of the memory of requests is the default";
                without_effect(&mapping, &["queue_size"], reason);
                None
            }
        };
        let consumers = whole(&mapping.get("num_consumers"), 1..=256);
        let storage = mapping.get("storage");
        let directory = extensions.storage(&storage).map(|shared| shared.join(folder(name)));
        directory.iter().for_each(|directory| context.writes(&storage, directory));
        let mut queue = Self {
            size,
            // The Collector's default.
            consumers: Some(consumers.map_or(10, |count| count as usize)),
            spool: directory.map(|directory| DestinationSpool {
                directory,
                settings: SpoolSettings::default(),
            }),
            ..Self::default()
        };
        let batch = mapping.get("batch");
        queue.has_batch = batch.exists();
        queue.read_batch(&batch, unit);
        queue
    }

    /// The unit of the queue is that of a batch without one, as in the Collector.
    fn read_batch(&mut self, field: &Field<'_>, of_queue: Sizer) {
        let mapping =
            field.mapping(&["flush_timeout", "min_size", "max_size", "sizer", "partition"]);
        not_supported(&mapping, &["partition"], "requests of all clients are joined");
        self.flush_timeout =
            duration(&mapping.get("flush_timeout"), Duration::ZERO..=Duration::from_secs(60));
        let (min, max) = (mapping.get("min_size"), mapping.get("max_size"));
        let (least, most) = (whole(&min, 0..=1 << 40), whole(&max, 0..=1 << 40));
        if most.is_some_and(|most| most > 0) {
            max.warning("requests of clients are joined up to `min_size`, and not split, except one of more than 3.75 MiB");
        }
        let own = mapping.get("sizer");
        match if own.has_value() { sizer(&own) } else { of_queue } {
            Sizer::Bytes => {
                self.max_bytes = least.and_then(|least| usize::try_from(least.max(1)).ok());
            }
            Sizer::Others => self.max_spans = least.map(|least| least.max(1)),
        }
    }

    /// Sets what the block has.
    pub(super) fn apply(self, destination: &mut DestinationSettings) {
        destination.queue_bytes = self.size;
        destination.spool = self.spool;
        if let Some(consumers) = self.consumers {
            destination.max_concurrent_requests = consumers;
        }
        if let Some(spans) = self.max_spans {
            destination.max_batch_spans = spans;
        }
        if let Some(bytes) = self.max_bytes {
            destination.max_batch_bytes = bytes;
        }
        if let Some(timeout) = self.flush_timeout {
            destination.batch_timeout = timeout;
        }
    }

    /// Reports what a gateway has not: its queues are those of its peers.
    pub(super) fn report_for_peers(exporter: &Mapping<'_>) {
        let queue = exporter.get("sending_queue").mapping(KEYS);
        not_supported(&queue, &["storage"], "a gateway stores nothing: its peers do");
        without_effect(
            &queue,
            &["batch", "num_consumers"],
            "requests are split by trace id over the peers",
        );
    }
}

#[derive(Clone, Copy)]
enum Sizer {
    Bytes,
    /// Spans or requests.
    Others,
}

fn sizer(field: &Field<'_>) -> Sizer {
    let names = [("requests", false), ("items", false), ("bytes", true)];
    if field.choice(&names) == Some(true) { Sizer::Bytes } else { Sizer::Others }
}

/// Whether the queue of an exporter names a storage.
pub(super) fn has_storage(exporter: &Mapping<'_>) -> bool {
    exporter.get("sending_queue").mapping(KEYS).get("storage").has_value()
}

/// The folder of an exporter in a storage that several share.
fn folder(name: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' }
    };
    name.chars().map(letter).collect()
}

const KEYS: &[&str] = &[
    "enabled",
    "num_consumers",
    "queue_size",
    "sizer",
    "storage",
    "batch",
    "block_on_overflow",
    "wait_for_result",
];
