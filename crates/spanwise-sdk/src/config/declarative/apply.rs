//! The settings of a file, below those of the code.

use super::super::builder::SpanwiseBuilder;
use super::super::error::BuildError;
use super::super::exporter::Exporter as ExporterSetting;
use super::super::files::Files;
use super::super::otlp::{ClientCertificate, Trust};
use super::exporters::{Exporter, Kind};
use super::otlp::Otlp;
use super::processors::Processor;
use super::samplers::Choice;
use super::schema::Settings;
use super::standard_error::StandardError;
use super::unopened_file::UnopenedFile;
use spanwise_export::Destination;
use spanwise_transport::{Endpoint, FileSink, Headers, Sink, Transport, TransportBuilder};
use std::path::PathBuf;
use std::time::Duration;

impl Settings<'_> {
    /// Fills `builder` where the code is silent.
    ///
    /// # Errors
    /// An exporter cannot be built.
    pub(super) fn apply(self, builder: &mut SpanwiseBuilder) -> Result<(), BuildError> {
        builder.is_disabled_by_file = self.is_disabled;
        builder.resource.splice(..0, self.resource.attributes);
        if builder.detectors.is_none() {
            builder.detectors = Some(self.resource.detectors);
            builder.detected = self.resource.detected;
        }
        if builder.schema_url.is_empty() {
            builder.schema_url = self.resource.schema_url.unwrap_or_default();
        }
        builder.propagators = builder.propagators.take().or(self.propagators);
        if self.is_disabled {
            // No exporter is built: one opens a file.
            return Ok(());
        }
        let Some(provider) = self.tracer_provider else {
            builder.exporter.get_or_insert(ExporterSetting::None);
            return Ok(());
        };
        builder.limits.get_or_insert(provider.limits);
        let [sampler_hash, configurator_hash] = provider.hashes;
        if builder.tracer_configurator.is_none() && provider.tracer_configurator.is_some() {
            builder.tracer_configurator = provider.tracer_configurator;
            builder.file_parts.tracer_configurator = Some(configurator_hash);
        }
        if !builder.has_sampler() {
            builder.file_parts.sampler = Some(sampler_hash);
            match provider.sampler {
                Some(Choice::Sampler(sampler)) => builder.sampler = Some(sampler),
                #[cfg(feature = "jaeger")]
                Some(Choice::Remote(settings)) => builder.remote_sampling = Some(settings),
                None => {}
            }
        }
        let mut processors = provider.processors.into_iter();
        if let Some(first) = processors.next() {
            builder.apply_first(first)?;
        }
        for further in processors {
            let transport = further.exporter.transport(further.export_timeout, builder.files)?;
            builder.destinations.push(Destination::new(transport));
        }
        Ok(())
    }
}

impl SpanwiseBuilder {
    /// The first processor has the provider's queue and endpoint.
    fn apply_first(&mut self, processor: Processor<'_>) -> Result<(), BuildError> {
        self.exporter.get_or_insert(ExporterSetting::Otlp);
        if self.batch_preset.is_none() {
            self.scheduled_delay.get_or_insert(processor.schedule_delay);
            self.max_queue_size.get_or_insert(processor.max_queue_size);
            self.max_export_batch_size.get_or_insert(processor.max_export_batch_size);
        }
        if self.sink.is_some() || self.transport.is_some() {
            return Ok(());
        }
        // Mistakes have their place in the file here, and not later.
        let built = processor.exporter.transport(processor.export_timeout, self.files)?;
        match processor.exporter.kind {
            Kind::Otlp(otlp) => {
                if self.batch_preset.is_none() {
                    self.export_timeout.get_or_insert(processor.export_timeout);
                }
                self.apply_otlp(*otlp);
            }
            Kind::File(..) | Kind::StandardOutput => {
                self.file_exporter = Some(built.destination());
                self.transport = Some(built);
            }
        }
        Ok(())
    }

    fn apply_otlp(&mut self, otlp: Otlp) {
        self.protocol.get_or_insert(otlp.protocol);
        self.endpoint = self.endpoint.take().or(otlp.endpoint);
        self.headers.splice(..0, otlp.headers);
        self.compression.get_or_insert(otlp.compression);
        self.attempt_timeout.get_or_insert(otlp.timeout);
        self.trust = self.trust.take().or(otlp.ca_file.map(Trust::File));
        let client = otlp.client_files;
        let client = client.map(|(certificates, key)| ClientCertificate::Files(certificates, key));
        self.client_certificate = self.client_certificate.take().or(client);
    }
}

impl Exporter<'_> {
    fn transport(&self, timeout: Duration, files: Files) -> Result<Transport, BuildError> {
        let builder = Transport::builder().with_request_timeout(limit(timeout));
        let open = |path: Option<&PathBuf>| {
            let builder = FileSink::builder();
            path.into_iter().fold(builder, |builder, path| builder.with_path(path)).build()
        };
        let sink = match &self.kind {
            Kind::Otlp(otlp) => {
                let builder = otlp.transport(builder).map_err(|error| self.problem(error))?;
                return builder.build().map_err(|error| self.problem(error));
            }
            Kind::File(path, _) if files == Files::Unopened => {
                return self.unopened(builder, UnopenedFile::new(Some(path)));
            }
            Kind::StandardOutput if files == Files::Unopened => {
                return self.unopened(builder, UnopenedFile::new(None));
            }
            Kind::StandardOutput if files == Files::OfDoctor => {
                return self.unopened(builder, StandardError);
            }
            Kind::File(path, _) => open(Some(path)),
            Kind::StandardOutput => open(None),
        };
        let sink = sink.map_err(|error| self.problem(error))?;
        builder.with_sink(sink).build().map_err(|error| self.problem(error))
    }

    fn unopened(
        &self,
        builder: TransportBuilder,
        file: impl Sink,
    ) -> Result<Transport, BuildError> {
        builder.with_sink(file).build().map_err(|error| self.problem(error))
    }

    fn problem(&self, error: impl ToString) -> BuildError {
        let message = match &self.kind {
            Kind::Otlp(otlp) => otlp.hidden.hide(&error.to_string()),
            Kind::File(_, hidden) => hidden.hide(&error.to_string()),
            Kind::StandardOutput => error.to_string(),
        };
        self.field.problem(message).into()
    }
}

impl Otlp {
    fn transport(&self, builder: TransportBuilder) -> Result<TransportBuilder, String> {
        let mut builder = builder
            .with_protocol(self.protocol)
            .with_compression(self.compression)
            .with_attempt_timeout(limit(self.timeout));
        if let Some(url) = &self.endpoint {
            let endpoint = Endpoint::parse("endpoint", url).map_err(|error| error.to_string())?;
            builder = builder.with_endpoint(endpoint);
        }
        let headers = self.headers.iter().try_fold(Headers::new(), |headers, (name, value)| {
            headers.with(name, value).map_err(|error| error.to_string())
        })?;
        builder = builder.with_headers(headers);
        if let Some(path) = &self.ca_file {
            builder = builder.with_certificate_file(path);
        }
        if let Some((certificates, key)) = &self.client_files {
            builder = builder.with_client_certificate_files(certificates, key);
        }
        Ok(builder)
    }
}

/// 0 is no limit.
fn limit(timeout: Duration) -> Duration {
    if timeout.is_zero() { Duration::MAX } else { timeout }
}
