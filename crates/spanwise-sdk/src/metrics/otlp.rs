//! [`OtlpMetrics`]: the periodic export of metrics on the exporter's thread.

use crate::diagnostics::{Diagnostics, EndpointHealth};
use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use spanwise_export::LastWork;
use spanwise_ledger::{Counter, Ledger};
use spanwise_metrics::encode_request;
use spanwise_transport::{Delivery, Outcome, Transport};
use spanwise_wire::write::encode_scope;
use spanwise_worker::catch_panic;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Exports a snapshot at each interval, one request at a time, by a task of the thread's runtime.
pub(crate) struct OtlpMetrics {
    transport: Transport,
    interval: Duration,
    health: EndpointHealth,
    provider: ObservedProvider,
    scope: Vec<u8>,
    /// The time of the next export.
    due: Instant,
    in_flight: Option<InFlight>,
}

/// The provider whose metrics are exported, once it exists. Weak: the thread must not keep it alive.
#[derive(Clone, Default)]
pub(crate) struct ObservedProvider(Arc<OnceLock<Weak<Handle>>>);

/// A request on its way.
struct InFlight {
    /// `None` at the shutdown, whose thread runs the request itself.
    task: Option<JoinHandle<()>>,
    delivery: Slot,
}

/// The delivery of a request, from its end on.
type Slot = Arc<Mutex<Option<Delivery>>>;

impl ObservedProvider {
    /// The thread collects the metrics of this provider from now on.
    pub(crate) fn set(&self, spanwise: &Spanwise) {
        let _set_once = self.0.set(Arc::downgrade(&spanwise.handle));
    }

    /// The encoded request of a new snapshot; `None` without a provider.
    fn request(&self, scope: &[u8]) -> Option<Vec<u8>> {
        let handle = self.0.get()?.upgrade()?;
        let resource = handle.exporter.as_ref()?.resource();
        let request = encode_request(&super::collect(&handle), &resource, scope);
        // The program may have dropped it meanwhile, and with it processors of the program.
        let _caught = catch_panic(|| drop(handle));
        Some(request)
    }
}

impl OtlpMetrics {
    pub(crate) fn new(transport: Transport, interval: Duration, health: EndpointHealth) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let scope = encode_scope(SCOPE, version, std::iter::empty::<(&str, &str)>(), "");
        let due = Instant::now() + interval;
        let provider = ObservedProvider::default();
        Self { transport, interval, health, provider, scope, due, in_flight: None }
    }

    /// The place of the provider.
    pub(crate) fn provider(&self) -> ObservedProvider {
        self.provider.clone()
    }

    /// Handles the end of the last request, and starts the next one if it is due. Returns when the next one is due, unless one
    /// is on its way: the thread's usual turns find its end.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        ledger: &Ledger,
        diagnostics: &mut Diagnostics,
    ) -> Option<Instant> {
        if self.in_flight.as_ref().is_some_and(InFlight::has_ended) {
            self.end(ledger, diagnostics);
        }
        // A request that takes longer than the interval delays the next one: its values are newer.
        if now >= self.due && self.in_flight.is_none() {
            self.due = next(self.due, self.interval, now);
            if let Some(request) = self.provider.request(&self.scope) {
                let (transport, delivery) = (self.transport.clone(), Arc::default());
                let slot: Slot = Arc::clone(&delivery);
                let task = tokio::spawn(async move {
                    let delivery = transport.send(request).await;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery);
                });
                self.in_flight = Some(InFlight { task: Some(task), delivery });
            }
        }
        self.in_flight.is_none().then_some(self.due)
    }

    /// The last request, with the final values of all spans. It replaces one that is still on its way, whose values are
    /// older.
    pub(crate) fn last_work(&mut self, until: Instant) -> Option<LastWork> {
        drop(self.in_flight.take());
        let request = self.provider.request(&self.scope)?;
        let (transport, delivery) = (self.transport.clone(), Arc::default());
        let slot: Slot = Arc::clone(&delivery);
        self.in_flight = Some(InFlight { task: None, delivery });
        Some(Box::pin(async move {
            let delivery = transport.send_until(request, until).await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery);
        }))
    }

    /// Counts and reports the end of the request on its way, if there is one.
    pub(crate) fn end(&mut self, ledger: &Ledger, diagnostics: &mut Diagnostics) {
        let Some(request) = self.in_flight.take() else { return };
        // Without a delivery, the task panicked or the deadline cut it off.
        let delivery = request.delivery.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Delivery { outcome: Outcome::Accepted { rejected, message }, .. }) = &delivery
        else {
            ledger.count(Counter::MetricExportsFailed, 1);
            return;
        };
        self.health.accepted();
        if *rejected > 0 {
            ledger.count(Counter::MetricExportsFailed, 1);
            diagnostics.metrics_rejected(*rejected, message.as_deref().unwrap_or_default());
        }
        if let Some(delivery) = delivery.filter(|it| it.response_undecodable) {
            diagnostics.answer_not_otlp(&delivery.cause);
        }
    }
}

impl InFlight {
    fn has_ended(&self) -> bool {
        self.task.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.task.iter().for_each(JoinHandle::abort);
    }
}

/// The first multiple of `interval` after `due` that is later than `now`, so that exports do not drift.
fn next(due: Instant, interval: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due).as_nanos();
    let rest = late % interval.as_nanos().max(1);
    now + interval.saturating_sub(Duration::from_nanos(u64::try_from(rest).unwrap_or(0)))
}

/// The name of the instrumentation scope.
const SCOPE: &str = "spanwise";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use crate::diagnostics::Reporter;

    /// A thread that is always due would spin.
    #[tokio::test]
    async fn a_request_that_outlasts_the_interval_delays_the_next_and_is_not_waited_for() {
        let accept = |_| async { Outcome::Accepted { rejected: 0, message: None } };
        let builder = Spanwise::builder().with_environment(|_| None).with_sink(accept);
        let spanwise = builder.build().unwrap();
        let never = Transport::builder().with_sink(|_| std::future::pending()).build().unwrap();
        let health = EndpointHealth::new(Reporter::new(Arc::new(|_| {})));
        let mut diagnostics = Diagnostics::new(health.reporter().clone(), health.clone());
        let second = Duration::from_secs(1);
        let mut metrics = OtlpMetrics::new(never, second, health);
        metrics.provider().set(&spanwise);
        let ledger = &spanwise.handle.core.ledger;
        let start = metrics.due;
        let due = metrics.turn(start - second / 2, ledger, &mut diagnostics);
        assert_eq!((due, metrics.in_flight.is_some()), (Some(start), false));
        for late in [0, 3] {
            let due = metrics.turn(start + late * second, ledger, &mut diagnostics);
            assert_eq!((due, metrics.in_flight.is_some()), (None, true));
            tokio::task::yield_now().await;
        }
        assert_eq!(metrics.due, start + second, "the second one waits");
    }

    #[test]
    fn exports_do_not_drift_and_catch_up_with_one() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let second = Duration::from_secs(1);
        assert_eq!(next(at(1_000), second, at(1_000)), at(2_000));
        assert_eq!(next(at(1_000), second, at(1_080)), at(2_000));
        assert_eq!(next(at(1_000), second, at(5_500)), at(6_000));
    }
}
