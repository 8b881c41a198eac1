//! The handle of a running provider, which its clones and tracers share.

use super::disabled_tracers::DisabledTracers;
#[cfg(feature = "config-file")]
use super::stop_signal::StopSignal;
use crate::config::{EffectiveSettings, Running};
use crate::core::Core;
use crate::diagnostics::{Diagnostic, EndpointHealth, Reporter, sanitize};
use crate::metrics::OperationHistograms;
use crate::processor::{Command, Processors};
use crate::record::allocated_records;
use crate::remote_slot::RemoteSlot;
use crate::span_route::SpanRoute;
use crate::start::TracerConfigurator;
use opentelemetry::{InstrumentationScope, Value};
use spanwise_export::{DynamicBatchConfig, Exporter};
use spanwise_transport::SinkLifecycle;
use spanwise_wire::write::{encode_resource, truncate};
use spanwise_worker::clock;
#[cfg(feature = "config-file")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The handle of a provider, which runs until the last clone and the last tracer are dropped.
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
    /// `None` when the provider is disabled or exports nothing.
    pub(crate) exporter: Option<Exporter>,
    /// `None` without span processors.
    pub(crate) processors: Option<Arc<Processors>>,
    pub(crate) disabled_tracers: DisabledTracers,
    /// The flush and shutdown of the sink, if it has them.
    pub(super) sink: Option<Arc<dyn SinkLifecycle>>,
    pub(crate) health: EndpointHealth,
    /// Those of the further destinations.
    pub(crate) destinations: Vec<EndpointHealth>,
    pub(super) shut_down: AtomicBool,
    /// The timeout of flushes and shutdowns without one of their own.
    pub(super) timeout: Duration,
    pub(super) built: Instant,
    /// The time of the build in nanoseconds since the Unix epoch, or an earlier one that a clock which was set back showed.
    built_unix_nanos: AtomicU64,
    /// The records that the process had allocated before.
    pub(crate) allocated_records_before: u64,
    /// The most spans that were reported to have taken a record of a cache.
    pub(crate) record_hits: AtomicU64,
    /// Nanoseconds between the creation and the shutdown; 0 before it.
    pub(super) ended_after: AtomicU64,
    /// The encoded resource, for the doctor's span.
    resource: Arc<[u8]>,
    /// Nanoseconds between the creation and the drop of a guard that was dropped before the first span; 0
    /// otherwise, and once it is reported.
    pub(super) unused_for: AtomicU64,
    /// The configuration, for a reload. `None` when the provider is disabled or exports nothing.
    pub(crate) running: Mutex<Option<Running>>,
    /// The settings of the build or of the last reload, for the doctor.
    effective: Mutex<EffectiveSettings>,
    /// The histograms of meters, into which the exporter's thread records.
    pub(crate) histograms: OperationHistograms,
    /// The next remote sampling for the exporter's thread.
    pub(crate) remote_slot: Arc<RemoteSlot>,
    /// Ends the thread that watches the configuration file, if there is one.
    #[cfg(feature = "config-file")]
    pub(crate) watch: OnceLock<StopSignal>,
    /// Whether the program has replaced the sampler of the configuration.
    pub(crate) is_sampler_replaced: AtomicBool,
    /// Whether the provider was built by `init`.
    pub(crate) sets_globals: bool,
}

impl Handle {
    pub(crate) fn new(
        core: Arc<Core>,
        exporter: Option<Exporter>,
        health: EndpointHealth,
        timeout: Duration,
    ) -> Self {
        Self {
            core,
            exporter,
            processors: None,
            disabled_tracers: DisabledTracers::default(),
            sink: None,
            health,
            destinations: Vec::new(),
            shut_down: AtomicBool::new(false),
            timeout,
            built: Instant::now(),
            built_unix_nanos: AtomicU64::new(clock::unix_nanos()),
            allocated_records_before: allocated_records().count,
            record_hits: AtomicU64::new(0),
            ended_after: AtomicU64::new(0),
            resource: Arc::default(),
            unused_for: AtomicU64::new(0),
            running: Mutex::new(None),
            effective: Mutex::default(),
            histograms: OperationHistograms::default(),
            remote_slot: Arc::default(),
            #[cfg(feature = "config-file")]
            watch: OnceLock::new(),
            is_sampler_replaced: AtomicBool::new(false),
            sets_globals: false,
        }
    }

    /// The settings of batching; without an exporter, settings that have no effect.
    pub(crate) fn batching(&self) -> DynamicBatchConfig {
        self.exporter.as_ref().map(|exporter| exporter.batching().clone()).unwrap_or_default()
    }

    pub(crate) fn with_processors(mut self, processors: Option<Arc<Processors>>) -> Self {
        self.processors = processors;
        self
    }

    pub(crate) fn with_tracer_configurator(
        mut self,
        configurator: Option<TracerConfigurator>,
    ) -> Self {
        self.disabled_tracers = DisabledTracers::new(configurator);
        self
    }

    /// The core of a new tracer of this scope, which the configurator may disable.
    pub(crate) fn core_of(&self, scope: &InstrumentationScope) -> &Arc<Core> {
        self.disabled_tracers.core_of(scope, &self.core, self.reporter())
    }

    /// The provider can be reloaded.
    pub(crate) fn with_running(mut self, running: Running, remote_slot: Arc<RemoteSlot>) -> Self {
        (self.running, self.remote_slot) = (Mutex::new(Some(running)), remote_slot);
        self
    }

    pub(crate) fn with_destinations(mut self, destinations: Vec<EndpointHealth>) -> Self {
        self.destinations = destinations;
        self
    }

    pub(crate) fn with_resource(mut self, encoded: Vec<u8>) -> Self {
        self.resource = encoded.into();
        self
    }

    /// Where spans go now; `None` if nothing is exported, or no longer.
    pub(crate) fn route(&self) -> Option<SpanRoute> {
        // The first destination, which is that of the builder, has one.
        let mut transports = self.exporter.as_ref()?.transport().load_all().into_iter();
        let (transport, resource) = (transports.next()?, self.resource.clone());
        Some(SpanRoute { transport, resource, further: transports.collect() })
    }

    /// The encoded resource of the doctor's span.
    pub(crate) fn resource(&self) -> Arc<[u8]> {
        self.resource.clone()
    }

    pub(crate) fn set_effective_settings(&self, settings: EffectiveSettings) {
        *self.effective.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The settings of the build or of the last reload; empty in a forked child whose parent was changing them.
    pub(crate) fn effective_settings(&self) -> EffectiveSettings {
        let settings = match self.effective.try_lock() {
            Ok(settings) => settings.clone(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().clone(),
            Err(TryLockError::WouldBlock) => EffectiveSettings::default(),
        };
        // ORDER: Relaxed: the flag publishes no other data.
        match self.is_sampler_replaced.load(Relaxed) {
            true => settings.without_sampler(),
            false => settings,
        }
    }

    /// The time since the provider was built.
    pub(crate) fn age(&self) -> Duration {
        self.built.elapsed()
    }

    /// The start of cumulative metrics, which readers compare: it stays the same, unless the clock is before it.
    pub(crate) fn start_unix_nanos(&self, now: u64) -> u64 {
        self.built_unix_nanos.fetch_min(now, Relaxed).min(now)
    }

    /// The time between the creation and the shutdown, once it was shut down.
    pub(crate) fn ended_after(&self) -> Duration {
        Duration::from_nanos(self.ended_after.load(Relaxed))
    }

    pub(crate) fn with_sink(mut self, sink: Option<Arc<dyn SinkLifecycle>>) -> Self {
        self.sink = sink;
        self
    }

    /// Endpoint and cause of the last failed attempt, if it is recent.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.health.last_failure()
    }

    /// Replaces the resource by `attributes`. Those that do not fit are left out and reported.
    pub(crate) fn set_resource(&self, attributes: Vec<(&str, &Value)>, schema_url: &str) {
        // A forked child has no requests, and another thread may have held the lock.
        let Some(exporter) = self.exporter.as_ref().filter(|_| !self.core.is_forked()) else {
            return;
        };
        let encoded = |attributes: &[(&str, &Value)], schema_url: &str| {
            let encoded = encode_resource(attributes.iter().copied(), schema_url);
            match &self.core.redaction {
                Some(redaction) => redaction.resource(&encoded),
                None => encoded,
            }
        };
        if exporter.set_resource(encoded(&attributes, schema_url)).is_ok() {
            return;
        }
        let mut fitting: Vec<(&str, &Value)> = Vec::new();
        let (mut attributes, schema_url) = (attributes, truncate(schema_url, MAX_SCHEMA_URL));
        // The service's name first: a resource is useless without it.
        attributes.sort_by_key(|(key, _)| *key != "service.name");
        for attribute in attributes {
            fitting.push(attribute);
            if let Err(error) = exporter.set_resource(encoded(&fitting, schema_url)) {
                fitting.pop();
                let (attribute, problem) = (attribute.0.to_owned(), sanitize(&error.to_string()));
                let diagnostic = Diagnostic::AttributeNotDetected { attribute, problem };
                self.reporter().report(diagnostic);
            }
        }
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        self.health.reporter()
    }
}

impl Drop for Handle {
    /// Starts a shutdown and returns at once: the thread that drops the last handle may hold a lock that
    /// other threads wait for, as the API does when it replaces the global provider.
    fn drop(&mut self) {
        if self.begin_shutdown() {
            let until = self.default_deadline();
            self.exporter.iter().for_each(|exporter| exporter.start_shutdown(until));
            let _unawaited = self.start_processors(Command::Shutdown, until);
        }
        if self.exporter.is_none() {
            let _ = self.core.drop_sampler();
            self.reporter().close();
        }
        if *self.unused_for.get_mut() > 0 {
            self.reporter().close_held_open();
        }
    }
}

/// Characters of the schema URL of a resource that is too large.
const MAX_SCHEMA_URL: usize = 512;
