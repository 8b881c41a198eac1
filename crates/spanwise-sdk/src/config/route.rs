//! The settings as a doctor needs them: where spans go, resolved as `build` does, without a provider.

use super::builder::SpanwiseBuilder;
use super::environment::{Environment, process_environment};
use super::error::BuildError;
use super::reload::running::{Running, TransportSource};
use super::resolution::{Globals, Plan};
use crate::diagnostics::Reporter;
use crate::lifecycle::Handle;
use crate::span_route::{EndedRoute, SpanRoute};
use spanwise_sampling::Sampler;
use spanwise_transport::TransportBuilder;
use spanwise_worker::fork;

/// The fate of spans by the settings.
pub(crate) enum Routed {
    /// No span is made.
    Disabled,
    /// Spans are not exported.
    NotExported,
    Sent(Box<SpanRoute>, Sampler),
}

impl Handle {
    /// Where spans went before the end of the provider.
    ///
    /// # Errors
    /// A file of the transport has changed and cannot be used.
    pub(crate) fn ended_route(&self) -> Result<EndedRoute, BuildError> {
        // Another thread may hold the lock for ever, if this is a forked child.
        let Ok(running) = self.running.try_lock() else { return Ok(EndedRoute::Unknown) };
        let Some(Running { source, .. }) = &*running else { return Ok(EndedRoute::Unknown) };
        let TransportSource::Network(builder) = source else {
            return Ok(EndedRoute::Sink(source.name()));
        };
        let (transport, resource) = (TransportBuilder::clone(builder).build()?, self.resource());
        Ok(EndedRoute::Network(SpanRoute { transport, resource, further: Vec::new() }))
    }
}

impl SpanwiseBuilder {
    /// Resolves the settings as [`build`](Self::build) does, and starts no provider. It opens the files of exporters;
    /// one that writes to the standard output writes to the standard error instead.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub(crate) fn route(mut self) -> Result<Routed, BuildError> {
        fork::watch();
        self.files.is_of_doctor = true;
        // The explanation of the same settings has the reports.
        let (reporter, _reports) = Reporter::collecting();
        let lookup = self.lookup.take().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup.clone(), reporter.clone());
        let exporting = match self.resolve(environment, &lookup, &reporter, Globals::Set)?.plan {
            Plan::Disabled => return Ok(Routed::Disabled),
            Plan::Idle { .. } | Plan::Processors { .. } => return Ok(Routed::NotExported),
            Plan::Exporting(exporting) => *exporting,
        };
        self.files.open()?;
        let Some(transport) = exporting.prepared.transport().load() else {
            return Ok(Routed::NotExported);
        };
        // The first destination, which is that of the builder, has one.
        let further = exporting.prepared.transports().iter().skip(1).cloned().collect();
        let resource = exporting.resource.into();
        let route = SpanRoute { transport, resource, further };
        Ok(Routed::Sent(Box::new(route), exporting.sampler))
    }
}
