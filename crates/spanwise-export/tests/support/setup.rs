//! The settings of a simulated exporter.

use spanwise_batch::BatchSize;
use spanwise_export::{Exporter, ExporterBuilder};
use spanwise_transport::{Outcome, Transport};
use spanwise_wire::write::encode_resource;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub budget_bytes: usize,
    pub max_in_flight: usize,
    pub max_queue_size: Option<usize>,
    pub batch: usize,
    /// The time to hold chunks back, in milliseconds.
    pub hold_back: u16,
    /// A policy decides at random about held chunks.
    pub has_policy: bool,
    pub size: Option<BatchSize>,
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            budget_bytes: 1 << 20,
            max_in_flight: 1,
            max_queue_size: None,
            batch: 8_192,
            hold_back: 0,
            has_policy: false,
            size: None,
            seed: 0,
        }
    }
}

impl Setup {
    pub fn builder(&self) -> ExporterBuilder {
        let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        let transport = Transport::builder().with_sink(sink).build().unwrap();
        let builder = Exporter::builder(transport)
            .with_resource(encode_resource([("service.name", "simulated")], ""))
            .with_budget_bytes(self.budget_bytes)
            .with_max_in_flight(self.max_in_flight)
            .with_max_export_batch_size(batch_within(self.batch, self.max_queue_size))
            .with_hold_back(Duration::from_millis(self.hold_back.into()));
        let builder = match self.max_queue_size {
            Some(spans) => builder.with_max_queue_size(spans),
            None => builder,
        };
        match self.size {
            Some(size) => builder.with_batch_size(size),
            None => builder,
        }
    }
}

/// A batch is at most the queue.
pub fn batch_within(batch: usize, queue: Option<usize>) -> usize {
    batch.min(queue.unwrap_or(usize::MAX))
}
