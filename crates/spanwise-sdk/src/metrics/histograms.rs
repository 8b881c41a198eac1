//! [`OperationHistograms`]: histogram instruments that the exporter's thread records the duration of each request into.

use super::key_values::key_values;
use arc_swap::ArcSwap;
use opentelemetry::metrics::{Histogram, Meter};
use spanwise_export::Operation;
use spanwise_worker::catch_panic;
use std::sync::Arc;

/// The histograms of all meters of a provider. Clones share them.
///
/// The API has no observable histogram, and the buckets of a recorder cannot be passed on: an instrument gets each
/// observation, with the buckets of the program's choice.
#[derive(Clone, Default)]
pub(crate) struct OperationHistograms {
    of_meters: Arc<ArcSwap<Vec<Instruments>>>,
}

/// The histograms of one meter.
#[derive(Clone)]
struct Instruments {
    /// `otel.sdk.exporter.operation.duration`.
    operation: Histogram<f64>,
    /// The name of the performance guide.
    export: Histogram<f64>,
}

impl OperationHistograms {
    /// Records all later requests into instruments of `meter`, too. Meters beyond the limit get none.
    pub(crate) fn add(&self, meter: &Meter) {
        let histogram = |name: &'static str| meter.f64_histogram(name).with_unit("s");
        // The semantic conventions ask for one bucket.
        let operation = histogram("otel.sdk.exporter.operation.duration").with_boundaries(vec![]);
        let export = histogram("otel_export_duration_seconds");
        let added = Instruments { operation: operation.build(), export: export.build() };
        self.of_meters.rcu(|known| {
            let mut all = Vec::clone(known);
            if all.len() < MAX_METERS {
                all.push(added.clone());
            }
            all
        });
    }

    /// Records an operation. The exporter's thread calls this; the instruments are code of the program, whose panics are
    /// caught.
    pub(crate) fn record(&self, operation: &Operation) {
        let all = self.of_meters.load();
        if all.is_empty() {
            return;
        }
        let seconds = operation.duration().as_secs_f64();
        let attributes = key_values(&operation.attributes());
        for instruments in all.iter() {
            let _caught = catch_panic(|| {
                instruments.operation.record(seconds, &attributes);
                instruments.export.record(seconds, &[]);
            });
        }
    }

    /// The instruments are no longer needed.
    pub(crate) fn clear(&self) {
        let instruments = self.of_meters.swap(Arc::default());
        let _caught = catch_panic(|| drop(instruments));
    }
}

/// Meters that get histograms: each costs the exporter's thread a record for each request.
const MAX_METERS: usize = 16;
