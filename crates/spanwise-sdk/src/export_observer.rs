//! The SDK's part of the exporter's thread: diagnostics, the sampler's tick, and the span clock.

use crate::core::{Core, Phase};
use crate::diagnostics::{DestinationLosses, Diagnostics};
use crate::metrics::{OperationHistograms, OtlpMetrics, Totals, UsageMeter, UsageRates};
use crate::record::allocated_records;
use crate::remote_sampling::RemoteSampling;
use crate::remote_slot::RemoteSlot;
use spanwise_export::sans_io::DrainedChunk;
use spanwise_export::{ExportEvent, LastWork, Observer, SpoolReport};
use spanwise_sampling::Tick;
use spanwise_transport::{Delivery, Outcome};
use spanwise_worker::{catch_panic, clock};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The observer of the exporter: handles its events, and runs the SDK's periodic work on its thread.
pub(crate) struct ExportObserver {
    core: Arc<Core>,
    diagnostics: Diagnostics,
    remote_sampling: Option<RemoteSampling>,
    /// The export of metrics.
    metrics: Option<OtlpMetrics>,
    /// The histograms of meters.
    histograms: OperationHistograms,
    /// The next remote sampling.
    remote_slot: Arc<RemoteSlot>,
    /// Of all destinations but the first, whose ledger is the provider's.
    destinations: Vec<DestinationLosses>,
    /// The time of the next calibration of the span clock.
    next_calibration: Instant,
    /// The time of the next tick of the sampler.
    next_tick: Instant,
    usage: UsageMeter,
    /// Tracers of this SDK start the spans.
    times_creations: bool,
}

impl ExportObserver {
    pub(crate) fn new(
        core: Arc<Core>,
        diagnostics: Diagnostics,
        remote_sampling: Option<RemoteSampling>,
    ) -> Self {
        let now = Instant::now();
        let destinations = Vec::new();
        Self {
            core,
            diagnostics,
            remote_sampling,
            metrics: None,
            histograms: OperationHistograms::default(),
            remote_slot: Arc::default(),
            destinations,
            next_calibration: now,
            next_tick: now,
            usage: UsageMeter::new(now),
            times_creations: false,
        }
    }

    /// Replaces the remote sampling by each that `slot` gets.
    pub(crate) fn with_remote_slot(mut self, slot: Arc<RemoteSlot>) -> Self {
        self.remote_slot = slot;
        self
    }

    /// Records requests into these histograms.
    pub(crate) fn with_histograms(mut self, histograms: OperationHistograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Exports the provider's metrics.
    pub(crate) fn with_metrics(mut self, metrics: Option<OtlpMetrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Times the creation of few spans. Not for spans that another SDK starts: it has no start that checks the queue.
    pub(crate) fn with_timed_creations(mut self, times_creations: bool) -> Self {
        self.times_creations = times_creations;
        self
    }

    /// Reports the losses of these destinations too.
    pub(crate) fn with_destinations(mut self, destinations: Vec<DestinationLosses>) -> Self {
        self.destinations = destinations;
        self
    }

    /// The totals that the use of CPU and memory is computed from.
    fn totals(&self) -> Totals {
        let core = &*self.core;
        Totals {
            cpu: clock::thread_cpu_time().unwrap_or_default(),
            created: core.ledger.snapshot().created,
            timed: core.creation.point(),
            allocated_bytes: core.queue.allocated_bytes().saturating_add(allocated_records().bytes),
        }
    }

    fn tick(&mut self) {
        let account = self.core.ledger.snapshot();
        let recorded = account.created.saturating_sub(account.sampled_out);
        let tick = Tick::at(clock::unix_nanos()).with_recorded(recorded);
        if let Err(panic) = catch_panic(|| self.core.sampler.tick(&tick)) {
            self.diagnostics.user_code_panicked("the sampler's tick", &panic);
        }
    }

    fn request_ended(&mut self, spans: u64, delivery: &Delivery) {
        if delivery.response_undecodable {
            self.diagnostics.answer_not_otlp(&delivery.cause);
        }
        match &delivery.outcome {
            Outcome::Accepted { rejected, message } => {
                self.diagnostics.accepted();
                let rejected = (*rejected).min(spans);
                let message = message.as_deref().unwrap_or_default();
                if rejected > 0 {
                    self.diagnostics.rejected(rejected, message);
                } else if !message.is_empty() {
                    self.diagnostics.receiver_warned(message);
                }
            }
            Outcome::Failed(failure) => self.diagnostics.request_failed(spans, failure, delivery),
        }
    }
}

impl Observer for ExportObserver {
    fn drained(&mut self, chunks: &[DrainedChunk], now: Instant) {
        let core = &self.core;
        core.recent.drained(chunks, (&core.scopes, core.budget()), now);
        core.attributes.drained(chunks, core.budget(), now);
    }

    fn event(&mut self, event: ExportEvent) {
        if let ExportEvent::RequestEnded { operation: Some(operation), .. }
        | ExportEvent::RequestSplit { operation: Some(operation), .. } = &event
        {
            self.histograms.record(operation);
        }
        match event {
            ExportEvent::RequestEnded {
                destination: None,
                spans,
                delivery: Some(delivery),
                ..
            } => {
                self.request_ended(spans, &delivery);
            }
            ExportEvent::RequestEnded {
                destination: Some(name), delivery: Some(delivery), ..
            } => {
                let named = self.destinations.iter_mut().find(|it| it.name() == &*name);
                named.into_iter().for_each(|it| it.request_ended(&delivery));
            }
            ExportEvent::RequestSplit { spans, max_bytes, delivery, .. } => {
                self.diagnostics.request_split(spans, max_bytes, &delivery.detail);
            }
            ExportEvent::Spool(report) => {
                if let SpoolReport::Opened(recovery) = report {
                    let _first = self.core.spool_recovery.set(recovery);
                }
                self.diagnostics.spool(report);
            }
            ExportEvent::Awaiting(since) => self.diagnostics.awaiting(since),
            ExportEvent::Panicked { code, panic, .. } => {
                self.diagnostics.user_code_panicked(code, &panic);
            }
            ExportEvent::Died => {
                self.core.leave_running(Phase::WorkerTerminated);
                self.diagnostics.worker_died();
            }
            // All losses are reported before the thread ends.
            ExportEvent::ShutDown => {
                if let Some(metrics) = &mut self.metrics {
                    metrics.end(&self.core.ledger, &mut self.diagnostics);
                }
                self.diagnostics.report_last_losses(&self.core.ledger);
                let lost = self.destinations.iter_mut().filter_map(DestinationLosses::last);
                lost.for_each(|diagnostic| self.diagnostics.report(diagnostic));
            }
            ExportEvent::Ending => {
                self.histograms.clear();
                if let Err(panic) = self.core.drop_sampler() {
                    self.diagnostics.user_code_panicked("the sampler's drop", &panic);
                }
            }
            _ => {}
        }
    }

    fn turn(&mut self, now: Instant) -> Option<Instant> {
        if now >= self.next_calibration {
            self.next_calibration = now + clock::recalibrate();
        }
        if let Some(next) = self.remote_slot.take() {
            self.remote_sampling = next;
        }
        if let Some(remote) = &mut self.remote_sampling {
            remote.turn(now, &mut self.diagnostics);
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.tick();
        }
        if self.times_creations {
            self.core.creation.request(&self.core.queue);
        }
        if self.usage.is_due(now) {
            let totals = self.totals();
            self.usage.measure(now, totals, &self.core.usage);
        }
        self.diagnostics.report_losses(now, &self.core.ledger);
        let lost = self.destinations.iter_mut().filter_map(|it| it.due(now));
        lost.for_each(|diagnostic| self.diagnostics.report(diagnostic));
        let metrics = self.metrics.as_mut();
        let due = metrics.and_then(|it| it.turn(now, &self.core.ledger, &mut self.diagnostics));
        Some(due.map_or(self.next_calibration, |due| due.min(self.next_calibration)))
    }

    fn last_work(&mut self, until: Instant) -> Option<LastWork> {
        self.metrics.as_mut()?.last_work(until)
    }
}

impl Drop for ExportObserver {
    /// The thread ends, and with it the reports.
    fn drop(&mut self) {
        self.core.usage.set(UsageRates::default());
        self.diagnostics.close();
    }
}

/// The interval between two ticks of the sampler.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use crate::diagnostics::{Diagnostic, EndpointHealth, Reporter};
    use crate::start::Scopes;
    use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
    use spanwise_export::{OnFull, ScopeTable, SpanQueue};
    use spanwise_ledger::Ledger;
    use spanwise_sampling::{DynamicSampler, Sampler};
    use spanwise_wire::SpanLimits;
    use std::sync::Mutex;

    #[test]
    fn the_death_of_the_thread_is_reported_and_ends_recording() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = lines.clone();
        let reporter = Reporter::new(Arc::new(move |diagnostic: &Diagnostic| {
            received.lock().unwrap().push(diagnostic.to_string());
        }));
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(16 << 20));
        let core = Arc::new(Core::new(
            Phase::Running,
            SpanLimits::default(),
            DynamicSampler::new(Sampler::always_on()),
            Scopes::new(ScopeTable::new(1 << 20)),
            SpanQueue::new(buffer, Ledger::new(), OnFull::Drop),
        ));
        let diagnostics = Diagnostics::new(reporter.clone(), EndpointHealth::new(reporter.clone()));
        let mut observer = ExportObserver::new(core.clone(), diagnostics, None);
        assert!(core.is_running());
        observer.event(ExportEvent::Died);
        assert_eq!((core.is_running(), core.phase()), (false, Phase::WorkerTerminated));
        reporter.flush(Duration::from_secs(60));
        let lines = lines.lock().unwrap();
        assert!(lines.iter().any(|line| line.contains("worker thread has died")), "{lines:?}");
    }
}
