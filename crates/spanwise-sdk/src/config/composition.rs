//! Composition: a provider from the settings of the code and of the environment.

use super::builder::{SHUTDOWN_TIMEOUT, SpanwiseBuilder};
use super::effective_settings::EffectiveSettings;
use super::environment::{Environment, process_environment};
use super::error::BuildError;
use super::explain::{Explanation, Recorder as SettingsRecorder};
use super::own_stack::on_own_stack;
use super::recording_sdk::RecordingSdk;
use super::reload::reported::Reported;
use super::resolution::{Exporting, Globals, Plan};
use super::span_processors::as_observer;
use crate::core::{Core, Phase};
use crate::diagnostics::{DestinationLosses, Diagnostics, EndpointHealth, Reporter, to_stderr};
use crate::export_observer::ExportObserver;
use crate::lifecycle::{Guard, Handle};
use crate::metrics::{OperationHistograms, OtlpMetrics};
use crate::processor::Processors;
use crate::propagation::{Propagator, set_global};
use crate::provider::Spanwise;
use crate::remote_slot::RemoteSlot;
use crate::start::Scopes;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_transport::SinkLifecycle;
use spanwise_worker::{catch_panic, fork};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

impl SpanwiseBuilder {
    /// Checks the settings in use and starts the provider: with one worker thread, or with none if it
    /// exports nothing. It opens no connection yet, and sets no globals.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Spanwise, BuildError> {
        self.compose(Globals::Unchanged).map(|(spanwise, _none)| spanwise)
    }

    /// [`build`](Self::build)s the provider, and makes it the global tracer provider until the guard is
    /// dropped. It also sets the global propagators: see [`with_propagators`](Self::with_propagators).
    ///
    /// # Errors
    /// As [`build`](Self::build); `init` sets no global then.
    pub fn init(self) -> Result<Guard, BuildError> {
        init_after(self, |_| Ok(()))
    }

    /// The exporting half alone, for spans that the stock SDK records.
    pub(crate) fn for_spans_of_the_stock_sdk(mut self) -> Self {
        self.recording_sdk = RecordingSdk::StockSdk;
        self
    }

    fn compose(self, globals: Globals) -> Result<(Spanwise, Vec<Propagator>), BuildError> {
        // The watch starts before the first random number, because processes must generate different ones.
        fork::watch();
        crate::record::warm_up();
        // A caller's stack may be small.
        let mut builder = Box::new(self);
        let handler = builder.handler.take();
        let reporter = handler.map_or_else(|| Reporter::filtered(to_stderr()), Reporter::new);
        let lookup = builder.lookup.take().unwrap_or_else(process_environment);
        let (recording, made) = reporter.recording();
        let resolve = || -> Result<_, BuildError> {
            let environment = Environment::new(lookup.clone(), recording)
                .with_recorder(SettingsRecorder::new(builder.given()));
            let watch = builder.config_watch(&environment, &lookup)?;
            let resolved = builder.resolve(environment, &lookup, &reporter, globals)?;
            let reports = made.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut explanation = Explanation::new(resolved.environment.recorder().take(), reports);
            explanation.is_declarative = builder.of_file.is_declarative;
            Ok((watch, Box::new(resolved), EffectiveSettings::new(&explanation)))
        };
        let built = on_own_stack(resolve).and_then(|(watch, resolved, effective)| {
            let spanwise = match resolved.plan {
                Plan::Disabled => {
                    let sampler = builder.sampler.take().unwrap_or_default();
                    builder.idle(Phase::Disabled, sampler, &reporter)
                }
                Plan::Idle { sampler } => builder.idle(Phase::NotExporting, sampler, &reporter),
                Plan::Processors { sampler, resource, limits, span_metrics } => {
                    let recording = (sampler, limits, span_metrics);
                    builder.with_processors_alone(recording, &resource, &reporter)
                }
                Plan::Exporting(mut exporting) => {
                    exporting.running.reported = Reported::of(&made);
                    // The sink is the user's code, which may need the caller's thread.
                    let sink = builder.sink.as_ref();
                    let sink = sink.and_then(|it| catch_panic(|| it.lifecycle()).ok().flatten());
                    on_own_stack(|| {
                        builder.files.open()?;
                        builder.start(*exporting, sink, &reporter)
                    })?
                }
            };
            spanwise.handle.set_effective_settings(effective);
            watch.map_or(Ok(()), |watch| watch.start(&spanwise))?;
            Ok((spanwise, resolved.propagators))
        });
        reporter.flush(REPORTED_WITHIN);
        built
    }

    /// A provider without a worker.
    fn idle(&self, phase: Phase, sampler: Sampler, reporter: &Reporter) -> Spanwise {
        let core = Arc::new(Core::idle(phase, sampler, self.on_full));
        let health = EndpointHealth::new(reporter.clone());
        let handle = Handle::new(core, None, health, self.shutdown_timeout());
        Spanwise::new(handle.with_tracer_configurator(self.tracer_configurator.clone()))
    }

    fn start(
        mut self,
        exporting: Exporting,
        sink: Option<Arc<dyn SinkLifecycle>>,
        reporter: &Reporter,
    ) -> Result<Spanwise, BuildError> {
        let Exporting {
            queue,
            prepared,
            resource,
            sampler,
            remote,
            metrics,
            limits,
            records_all,
            span_metrics,
            // For explanations.
            features: _,
            spool,
            health,
            others,
            running,
        } = exporting;
        let processors = std::mem::take(&mut self.processors);
        let processors = Processors::new(processors, &resource, queue.ledger());
        // The stock SDK starts its spans itself.
        let checks_for_tail = records_all && self.recording_sdk == RecordingSdk::Native;
        let redaction = self.span_redaction();
        let checks_for_redaction =
            redaction.is_some() && self.recording_sdk == RecordingSdk::Native;
        let checks = checks_for_tail || checks_for_redaction;
        let queue = match processors.is_some() || checks || span_metrics.is_some() {
            true => queue.with_checked_starts(),
            false => queue,
        };
        let sampler = DynamicSampler::new(sampler);
        let scopes = Scopes::new(prepared.scopes().clone());
        let core = Core::new(Phase::Running, limits, sampler, scopes, queue);
        let core = core.recording_all(records_all).with_span_metrics(span_metrics);
        let core = core.with_redaction(redaction);
        let core = Arc::new(core.with_observer(as_observer(&processors)));
        let diagnostics = Diagnostics::new(reporter.clone(), health.clone());
        let losses = prepared.destinations().skip(1).zip(&others);
        let losses = losses
            .map(|((name, ledger), health)| DestinationLosses::new(name, ledger, health.clone()))
            .collect();
        let observer = ExportObserver::new(core.clone(), diagnostics, remote)
            .with_timed_creations(self.recording_sdk == RecordingSdk::Native);
        let remote_slot = Arc::new(RemoteSlot::default());
        let observer = observer.with_destinations(losses).with_remote_slot(remote_slot.clone());
        let provider = metrics.as_ref().map(OtlpMetrics::provider);
        let histograms = OperationHistograms::default();
        let observer = observer.with_metrics(metrics).with_histograms(histograms.clone());
        let prepared = match spool {
            Some(spool) => spool.start(prepared, &core.ledger, reporter),
            None => prepared,
        };
        let exporter = prepared.with_observer(observer).spawn(core.clone())?;
        let timeout = self.shutdown_timeout();
        let mut handle =
            Handle::new(core, Some(exporter), health, timeout).with_destinations(others);
        handle.histograms = histograms;
        handle.sets_globals = self.installed.is_some();
        let handle = handle.with_running(running, remote_slot);
        let handle = handle.with_tracer_configurator(self.tracer_configurator);
        let handle = handle.with_sink(sink).with_processors(processors).with_resource(resource);
        let spanwise = Spanwise::new(handle);
        provider.into_iter().for_each(|provider| provider.set(&spanwise));
        Ok(spanwise)
    }

    pub(super) fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT)
    }
}

/// [`init`](SpanwiseBuilder::init), which runs `prepare` before it sets a global.
///
/// # Errors
/// As `init`. If `prepare` fails, the provider shuts down, and no global has changed.
#[doc(hidden)]
pub fn init_after<E: From<BuildError>>(
    builder: SpanwiseBuilder,
    prepare: impl FnOnce(&Spanwise) -> Result<(), E>,
) -> Result<Guard, E> {
    let (spanwise, propagators) = builder.compose(Globals::Set)?;
    prepare(&spanwise)?;
    set_global(&propagators);
    Ok(Guard::install(spanwise))
}

/// How long `build` waits for a slow diagnostics handler.
pub(super) const REPORTED_WITHIN: Duration = Duration::from_millis(200);
