//! [`Spanwise::register_metrics`]: the metrics of a provider as observable instruments of a meter.

use super::key_values::key_values;
use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use spanwise_metrics::{Metric, MetricData, MetricsSnapshot, Number, StringValue};
use spanwise_worker::catch_panic;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::{Duration, Instant};

impl Spanwise {
    /// Makes an observable instrument of `meter` from each counter, up-down counter and gauge of
    /// [`metrics`](Self::metrics), with the same name, unit, description and attributes. The readers of the meter's provider
    /// collect them.
    ///
    /// The worker thread records the duration of each request into two histograms of the meter,
    /// `otel.sdk.exporter.operation.duration`, with the attributes of the semantic conventions, and
    /// `otel_export_duration_seconds`. It catches their panics, and waits for an instrument that blocks. The API has no
    /// observable histogram, so that the other histograms of [`metrics`](Self::metrics) have no instrument. At most 16 meters
    /// get histograms.
    ///
    /// The instruments hold the provider weakly. They observe its final values after a shutdown, so that a last
    /// collection has the last losses, and nothing once the last clone of the provider is dropped: the API has no other
    /// way to unregister a callback. Call this once for each meter.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Spanwise, opentelemetry::global};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let spanwise = Spanwise::builder().build()?;
    ///     spanwise.register_metrics(&global::meter("spanwise"));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cost
    /// A collection takes one snapshot, on the thread of the reader, whatever the number of instruments. No lock is
    /// waited for.
    pub fn register_metrics(&self, meter: &Meter) {
        let source = Arc::new(Source::new(Arc::downgrade(&self.handle)));
        for (index, metric) in self.metrics().metrics().iter().enumerate() {
            // A meter is code of the user's program.
            let reading = Reading { source: source.clone(), index, name: metric.name.clone() };
            let _caught = catch_panic(|| register(meter, metric, reading));
        }
        let _caught = catch_panic(|| self.handle.histograms.add(meter));
    }
}

/// Makes the instrument of `metric`. Its callback goes to the meter's provider, which drops it with itself.
fn register(meter: &Meter, metric: &Metric, reading: Reading) {
    let texts = (text(&metric.name), text(&metric.unit), text(&metric.description));
    /// Completes the builder of an instrument whose callback observes `$type` numbers.
    macro_rules! build {
        ($builder:ident, $convert:expr) => {{
            let (name, unit, description) = texts;
            let builder = meter.$builder(name).with_unit(unit).with_description(description);
            let _instrument =
                builder.with_callback(move |observer| reading.observe(observer, $convert)).build();
        }};
    }
    let is_double = is_double(&metric.data);
    match (&metric.data, is_double) {
        (MetricData::Counter(_), false) => {
            build!(u64_observable_counter, |value| value.as_u64().unwrap_or_default());
        }
        (MetricData::Counter(_), true) => build!(f64_observable_counter, Number::as_f64),
        (MetricData::UpDownCounter(_), false) => {
            build!(i64_observable_up_down_counter, integer);
        }
        (MetricData::UpDownCounter(_), true) => {
            build!(f64_observable_up_down_counter, Number::as_f64);
        }
        (MetricData::Gauge(_), false) => build!(i64_observable_gauge, integer),
        (MetricData::Gauge(_), true) => build!(f64_observable_gauge, Number::as_f64),
        // The API has no observable histogram.
        _ => {}
    }
}

/// Whether the numbers of the instrument are doubles: one of its points has one. A gauge without points may get one.
fn is_double(data: &MetricData) -> bool {
    let points = data.numbers().unwrap_or_default();
    let has_double = points.iter().any(|point| matches!(point.value, Number::F64(_)));
    has_double || (points.is_empty() && matches!(data, MetricData::Gauge(_)))
}

fn integer(value: Number) -> i64 {
    match value {
        Number::I64(value) => value,
        other => other.as_f64() as i64,
    }
}

fn text(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// The snapshot that the instruments of one meter share.
struct Source {
    /// Weak: the meter's provider holds the callbacks until its end.
    handle: Weak<Handle>,
    latest: Mutex<Latest>,
}

/// The latest snapshot, with the instruments that have read it.
#[derive(Default)]
struct Latest {
    snapshot: Option<(Instant, Arc<MetricsSnapshot>)>,
    /// The indexes of the instruments that have read it.
    readers: Vec<usize>,
}

impl Source {
    fn new(handle: Weak<Handle>) -> Self {
        Self { handle, latest: Mutex::default() }
    }

    /// The snapshot for the instrument `index`: the same for all instruments of a collection. An instrument that has read
    /// the latest one is in the next collection.
    fn snapshot(&self, index: usize, now: Instant) -> Option<Arc<MetricsSnapshot>> {
        let handle = self.handle.upgrade()?;
        let mut latest = match self.latest.try_lock() {
            Ok(latest) => latest,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another reader collects, or had the lock at the fork of this process.
            Err(TryLockError::WouldBlock) => return Some(Arc::new(super::collect(&handle))),
        };
        let Latest { snapshot, readers } = &mut *latest;
        match snapshot {
            Some((taken, snapshot))
                if !readers.contains(&index) && now.duration_since(*taken) <= MAX_AGE =>
            {
                readers.push(index);
                Some(snapshot.clone())
            }
            _ => {
                let taken = Arc::new(super::collect(&handle));
                *snapshot = Some((now, taken.clone()));
                *readers = vec![index];
                Some(taken)
            }
        }
    }
}

/// The part of one instrument.
struct Reading {
    source: Arc<Source>,
    /// Unique among the instruments of the source.
    index: usize,
    name: StringValue,
}

impl Reading {
    /// Observes the points of the metric. `observer` is code of the reader's program: no lock is held while it runs.
    fn observe<T>(&self, observer: &dyn AsyncInstrument<T>, convert: impl Fn(Number) -> T) {
        let snapshot = self.source.snapshot(self.index, Instant::now());
        let metric = snapshot.as_ref().and_then(|it| it.get(&self.name));
        for point in metric.and_then(|it| it.data.numbers()).unwrap_or_default() {
            observer.observe(convert(point.value), &key_values(&point.attributes));
        }
    }
}

/// The longest time between the first and the last callback of a collection that reads one snapshot.
const MAX_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_transport::Outcome;

    #[test]
    fn a_collection_shares_one_snapshot() {
        let accept = |_| async { Outcome::Accepted { rejected: 0, message: None } };
        let builder = Spanwise::builder().with_environment(|_| None).with_sink(accept);
        let spanwise = builder.build().unwrap();
        let source = Source::new(Arc::downgrade(&spanwise.handle));
        let now = Instant::now();
        let first = source.snapshot(0, now).unwrap();
        assert!(Arc::ptr_eq(&first, &source.snapshot(1, now).unwrap()));
        // Instrument 1 again: the next collection.
        let second = source.snapshot(1, now).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &source.snapshot(0, now + MAX_AGE).unwrap()));
        let late = now + MAX_AGE + Duration::from_nanos(1);
        assert!(!Arc::ptr_eq(&second, &source.snapshot(2, late).unwrap()));
        // A reader that holds the lock delays no other reader.
        let _held = source.latest.lock().unwrap();
        assert!(source.snapshot(0, now).is_some());
    }
}
