//! [`Spanwise::reload`]: the configuration of a running provider changes.

#[cfg(feature = "config-file")]
pub(super) mod config_watch;
pub(super) mod destination_changes;
pub(super) mod reloaded;
pub(super) mod reported;
pub(super) mod running;
mod setting_changes;
#[cfg(feature = "config-file")]
mod watched_file;

use super::builder::SpanwiseBuilder;
use super::effective_settings::EffectiveSettings;
use super::environment::{Environment, process_environment};
use super::error::BuildError;
use super::exporter::{self, Exporter};
use super::file_parts::FileParts;
use super::own_stack::on_own_stack;
use super::resolution::Globals;
use super::resource::Resource;
use super::sampler_description::description;
use super::{propagators, settings};
use crate::core::Phase;
use crate::diagnostics::{EndpointHealth, LogLevel, Reporter};
use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use crate::remote_sampling::{RemoteSampling, RemoteSource};
use crate::start::TracerConfigurator;
use destination_changes::DestinationSettings;
use reloaded::{ReloadError, Reloaded, SettingChange};
use running::{FixedSetting, Running, TransportSource};
use setting_changes::{of_batching, of_limits};
use spanwise_export::{BatchConfig, PreparedTransport};
use spanwise_sampling::Sampler;
use spanwise_wire::SpanLimits;
use std::sync::TryLockError;
use std::sync::atomic::Ordering::Relaxed;

impl Spanwise {
    /// Replaces the configuration of the running provider by that of `builder`: a whole one, as for
    /// [`build`](SpanwiseBuilder::build), with the code above the variables or the file, and those above the defaults.
    ///
    /// These settings change: the sampler, also to and from a remote one; the tracer configurator, for tracers that are
    /// created later; the limits of spans; all
    /// numbers of batching; the log level; endpoint, protocol, headers, compression, timeouts, certificates and the
    /// like of the first destination, or a transport of [`with_transport`](SpanwiseBuilder::with_transport). The others
    /// stay, and [`Reloaded::needs_restart`] lists those that differ: the resource, the byte budget, processors, a sink,
    /// further destinations (sinks compared by their names), propagators, and whether spans are exported. The handler of
    /// diagnostics stays too.
    ///
    /// No span is lost. A request that exists goes to the earlier endpoint until it ends, later ones go to the new
    /// endpoint, at most 100 ms after this call; a dead endpoint holds back none of them. A flush and a shutdown wait
    /// for both. Requests to at most four earlier endpoints are on their way at once; a further change of the endpoint
    /// takes effect when the requests to one of those have ended. With a timeout of 0, which is no limit, a receiver that hangs
    /// delays that without a limit.
    ///
    /// The call reads variables and files on a thread with a stack of its own, and waits for no thread of the
    /// provider. It may come from any thread.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::Spanwise;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let spanwise = Spanwise::builder().with_endpoint("http://collector-1:4318").build()?;
    ///     let next = Spanwise::builder()
    ///         .with_endpoint("http://collector-2:4318")
    ///         .with_sampling_ratio(0.1);
    ///     let reloaded = spanwise.reload(next)?;
    ///     assert_eq!(reloaded.changed.len(), 2);
    ///     println!("{reloaded}");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`ReloadError`]: nothing has changed.
    pub fn reload(&self, builder: SpanwiseBuilder) -> Result<Reloaded, ReloadError> {
        self.handle.reload(builder)
    }
}

/// The resolved settings of a configuration.
struct Next {
    transport: Option<NextTransport>,
    batch: BatchConfig,
    limits: SpanLimits,
    sampler: Option<NextSampler>,
    log_level: LogLevel,
    configurator: Option<NextConfigurator>,
    parts: FileParts,
}

/// A transport that replaces the running one.
struct NextTransport {
    prepared: PreparedTransport,
    source: TransportSource,
    health: EndpointHealth,
    changes: Vec<SettingChange>,
}

/// A sampler that replaces the running one.
struct NextSampler {
    sampler: Sampler,
    source: Option<RemoteSource>,
    remote: Option<RemoteSampling>,
    change: SettingChange,
}

/// A tracer configurator that replaces the running one.
struct NextConfigurator {
    configurator: Option<TracerConfigurator>,
    change: SettingChange,
}

impl Handle {
    /// As [`Spanwise::reload`].
    pub(crate) fn reload(&self, builder: SpanwiseBuilder) -> Result<Reloaded, ReloadError> {
        self.check_running()?;
        let mut running = match self.running.try_lock() {
            Ok(running) => running,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(ReloadError::InProgress),
        };
        let Some(running) = &mut *running else {
            return Err(ReloadError::NotRunning { reason: "it exports nothing" });
        };
        let mut reloaded = Reloaded::default();
        // Reports and the log level have to wait: they are of a configuration that may be invalid.
        let (deferred, reports) = Reporter::collecting();
        let globals = if self.sets_globals { Globals::Set } else { Globals::Unchanged };
        let resolve = || {
            let explained = builder.explain_with(globals);
            let explained = explained.map(|it| EffectiveSettings::new(&it));
            let next = builder.resolve_next((self, running), deferred, &mut reloaded);
            next.map(|next| next.map(|next| Box::new((next, explained))))
        };
        let next = on_own_stack(resolve);
        // A shutdown meanwhile is the reason of an error, and not the configuration.
        self.check_running()?;
        if let Some(next) = next? {
            let (next, explained) = *next;
            self.apply(next, running, &mut reloaded)?;
            if let Ok(next) = explained {
                let mut effective = self.effective_settings();
                effective.replace(next, &reloaded.needs_restart);
                self.set_effective_settings(effective);
            }
        }
        running.reported.replace(&reports, self.reporter());
        Ok(reloaded)
    }

    fn check_running(&self) -> Result<(), ReloadError> {
        let reason = match self.core.phase() {
            _ if self.core.is_forked() => "this is a forked child, which needs one of its own",
            Phase::Running => return Ok(()),
            Phase::Disabled => "it is disabled",
            Phase::NotExporting => "it exports nothing",
            Phase::ShutDown => "it is shut down",
            Phase::WorkerTerminated => "its worker thread has terminated",
        };
        Err(ReloadError::NotRunning { reason })
    }

    /// Applies the settings. The first one alone may be refused.
    fn apply(
        &self,
        next: Next,
        running: &mut Running,
        reloaded: &mut Reloaded,
    ) -> Result<(), BuildError> {
        let Some(exporter) = &self.exporter else { return Ok(()) };
        let Next { transport, batch, limits, sampler, log_level, configurator, parts } = next;
        let changed = of_batching(&exporter.batching().load(), &batch);
        if !changed.is_empty() {
            exporter.batching().set(batch).map_err(spanwise_export::BuildError::from)?;
        }
        reloaded.changed.extend(changed);
        if let Some(before) = self.reporter().level().filter(|before| *before != log_level) {
            self.reporter().set_level(log_level);
            let change = SettingChange::new("with_log_level", before.name(), log_level.name());
            reloaded.changed.push(change);
        }
        reloaded.changed.extend(of_limits(&self.core.limits.load(), &limits));
        self.core.limits.set(limits);
        if let Some(NextTransport { prepared, source, health, changes }) = transport {
            health.begin(prepared.transport().destination());
            exporter.transport().set(prepared);
            running.source = source;
            reloaded.changed.extend(changes);
        }
        if let Some(NextSampler { sampler, source, remote, change }) = sampler {
            running.remote = source;
            self.remote_slot.set(remote);
            // ORDER: Relaxed, as in `set_sampler`, which counts if it comes meanwhile.
            self.is_sampler_replaced.store(false, Relaxed);
            self.core.sampler.set(sampler);
            reloaded.changed.push(change);
            if !self.core.generates_ids() {
                // A shutdown came first, which drops the sampler.
                let _ = self.core.drop_sampler();
            }
        }
        if let Some(NextConfigurator { configurator, change }) = configurator {
            self.disabled_tracers.set_configurator(configurator);
            reloaded.changed.push(change);
        }
        running.parts = parts;
        Ok(())
    }

    /// The sampler, if it is another one than that of the running provider.
    fn next_sampler(
        &self,
        builder: &SpanwiseBuilder,
        is_code: bool,
        environment: &Environment,
        (running, service_name): (&Running, &str),
    ) -> Result<Option<NextSampler>, BuildError> {
        let (sampler, remote) = builder.resolve_sampler(environment)?;
        let before = self.core.sampler.load();
        let [before_text, text] = [&*before, &sampler].map(description);
        let is_same = match (&running.remote, &remote) {
            (Some(before), Some(next)) => before.has_same_settings(next.source()),
            // Samplers of ours with equal descriptions and of the same text sample the same traces, and the running
            // one has a state.
            (None, None) => {
                let is_described = || {
                    !is_code
                        && before_text == text
                        && running.parts.sampler == builder.file_parts.sampler
                };
                before.is_same(&sampler) || is_described()
            }
            _ => false,
        };
        // ORDER: Relaxed: the flag publishes no other data.
        if is_same && !self.is_sampler_replaced.load(Relaxed) {
            return Ok(None);
        }
        let change = SettingChange::new("with_sampler", before_text, text);
        let source = remote.as_ref().map(|remote| remote.source().clone());
        let remote = remote.map(|remote| remote.start(service_name)).transpose()?;
        Ok(Some(NextSampler { sampler, source, remote, change }))
    }

    /// The tracer configurator, if it is another one than that of the running provider.
    fn next_configurator(
        &self,
        builder: &mut SpanwiseBuilder,
        before: FileParts,
    ) -> Option<NextConfigurator> {
        let (present, next) =
            (self.disabled_tracers.configurator(), builder.tracer_configurator.take());
        let (hash, is_same) = (
            builder.file_parts.tracer_configurator,
            match (&present, &next) {
                (Some(present), Some(next)) => present.is_same(next),
                (present, next) => present.is_none() && next.is_none(),
            },
        );
        if is_same || (hash.is_some() && hash == before.tracer_configurator) {
            return None;
        }
        let text = |is_some| if is_some { "function" } else { "none" };
        let (before, after) = (text(present.is_some()), text(next.is_some()));
        let change = SettingChange::new("with_tracer_configurator", before, after);
        Some(NextConfigurator { configurator: next, change })
    }
}

impl SpanwiseBuilder {
    /// Resolves the settings as [`build`](Self::build) does, and starts nothing. `None`: nothing is to be exported,
    /// which needs a restart.
    fn resolve_next(
        mut self,
        (handle, running): (&Handle, &Running),
        deferred: Reporter,
        reloaded: &mut Reloaded,
    ) -> Result<Option<Next>, BuildError> {
        let is_code = self.sampler.is_some();
        let lookup = self.lookup.take().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup.clone(), deferred);
        let environment = self.apply_config_file(environment, &lookup)?;
        if self.of_file.is_disabled || environment.switch(&settings::SDK_DISABLED) {
            let change = SettingChange::new(settings::SDK_DISABLED.name(), "false", "true");
            reloaded.needs_restart.push(change);
            return Ok(None);
        }
        if exporter::resolve(self.exporter, &environment) == Exporter::None {
            reloaded.needs_restart.push(SettingChange::new("with_exporter", "otlp", "none"));
            return Ok(None);
        }
        self.read_redaction_file(&environment)?;
        self.read_tail_sampling_file(&environment)?;
        if handle.sets_globals {
            let propagators = propagators::resolve(self.propagators.take(), &environment);
            self.installed = Some(propagators);
        }
        let health = handle.health.of_next_transport();
        let (transport, source) = self.transport(&environment, &health)?;
        let Some(exporter) = &handle.exporter else { return Ok(None) };
        // `build` has reported the limits of the container.
        self.fit_into_container(&environment, &transport, &Reporter::collecting().0);
        let exporter_builder = self.exporter_builder(&environment, transport.clone())?;
        let max_bytes = exporter_builder.max_resource_bytes();
        let resource = Resource::of_builder(&mut self, &environment, max_bytes)?;
        let batch = self.resolve_export(exporter_builder, &environment)?.batch_config();
        exporter.batching().check(&batch).map_err(spanwise_export::BuildError::from)?;
        let changes = match running.source.changes(&source) {
            // The provider flushes its sink and shuts it down, and no other one.
            Some(changes) if running.source.is_sink() || source.is_sink() => {
                reloaded.needs_restart.extend(changes);
                None
            }
            changes => changes,
        };
        let present = exporter.transport().load();
        let next = if changes.is_some() { transport } else { present.unwrap_or(transport) };
        let prepared = exporter.transport().prepare(next, &batch)?;
        let limits = self.span_limits(&environment, prepared.max_span_bytes())?;
        let names = (running, &*resource.service_name);
        let sampler = handle.next_sampler(&self, is_code, &environment, names)?;
        let fixed = self.fixed_settings(&environment, &resource)?;
        reloaded.needs_restart.extend(FixedSetting::changes(&running.fixed, &fixed));
        let destinations = DestinationSettings::of(&self.destinations);
        let destinations = DestinationSettings::changes(&running.destinations, &destinations);
        reloaded.needs_restart.extend(destinations);
        let (parts, configurator) =
            (self.file_parts, handle.next_configurator(&mut self, running.parts));
        let transport = changes.map(|changes| NextTransport { prepared, source, health, changes });
        let log_level = self.level(&environment);
        if transport.is_some() {
            // The last step that may fail: an invalid setting leaves no new file behind.
            self.files.open_first()?;
        }
        Ok(Some(Next { transport, batch, limits, sampler, log_level, configurator, parts }))
    }
}
