//! The settings of a file, below those of the code.

use super::super::builder::SpanwiseBuilder;
use super::super::error::BuildError;
use super::super::exporter::Exporter as ExporterSetting;
use super::super::files::ExporterFile;
use super::super::otlp::{ClientCertificate, Trust, parse_origin};
use super::exporters::{Exporter, Kind};
use super::further;
use super::hidden::Hidden;
use super::otlp::{Otlp, limit};
use super::places;
use super::processors::Processor;
use super::samplers::Choice;
use super::schema::Settings;
use super::standard_error::StandardError;
use spanwise_export::Destination;
use spanwise_transport::{Endpoint, Headers, Protocol, Transport, TransportBuilder};
use std::path::PathBuf;
use std::time::Duration;

impl Settings<'_> {
    /// The names of headers of the provider's exporter that came from variables.
    pub(super) fn hidden_header_names(&self) -> Vec<String> {
        let first = self.tracer_provider.as_ref().and_then(|provider| provider.processors.first());
        match first.map(|processor| &processor.exporter.kind) {
            Some(Kind::Otlp(otlp)) => otlp.hidden_names.clone(),
            _ => Vec::new(),
        }
    }

    /// Fills `builder` where the code is silent.
    ///
    /// # Errors
    /// An exporter cannot be built.
    pub(super) fn apply(self, builder: &mut SpanwiseBuilder) -> Result<(), BuildError> {
        builder.of_file.is_disabled = self.is_disabled;
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
        if let Some(redaction) = self.redaction {
            redaction.apply(builder)?;
        }
        if let Some(spool) = self.spool {
            super::spool::apply(spool, builder);
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
        for next in processors {
            builder.of_file.further.push(further::settings(&next));
            let is_of_doctor = builder.files.is_of_doctor;
            let (transport, file) = next.exporter.transport(next.export_timeout, is_of_doctor)?;
            builder.files.further.extend(file);
            builder.destinations.push(Destination::new(transport));
        }
        Ok(())
    }
}

impl SpanwiseBuilder {
    /// The first processor has the provider's queue and endpoint.
    fn apply_first(&mut self, processor: Processor<'_>) -> Result<(), BuildError> {
        self.exporter.get_or_insert(ExporterSetting::Otlp);
        if self.selected_batch_preset().is_none() {
            self.scheduled_delay.get_or_insert(processor.schedule_delay);
            // A smaller queue in code is no mistake of the file.
            let most = self.max_queue_size.unwrap_or(usize::MAX);
            self.max_export_batch_size.get_or_insert(processor.max_export_batch_size.min(most));
            self.max_queue_size.get_or_insert(processor.max_queue_size);
        }
        if self.sink.is_some() || self.transport.is_some() {
            return Ok(());
        }
        // Mistakes have their place in the file here, and not later.
        let is_of_doctor = self.files.is_of_doctor;
        let (built, file) = processor.exporter.transport(processor.export_timeout, is_of_doctor)?;
        self.files.first = file;
        match processor.exporter.kind {
            Kind::Otlp(otlp) => {
                if self.selected_batch_preset().is_none() {
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
        self.of_file.insecure = otlp.insecure;
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
    /// The transport, and its file to open.
    fn transport(
        &self,
        timeout: Duration,
        is_of_doctor: bool,
    ) -> Result<(Transport, Option<ExporterFile>), BuildError> {
        let builder = Transport::builder().with_request_timeout(limit(timeout));
        let file = match &self.kind {
            Kind::Otlp(otlp) => {
                let builder = otlp.transport(builder).map_err(|error| self.problem(error))?;
                return builder.build().map(|it| (it, None)).map_err(|error| self.refused(error));
            }
            Kind::StandardOutput if is_of_doctor => None,
            Kind::StandardOutput => Some(self.file(None, Hidden::default())),
            Kind::File(path, hidden) => Some(self.file(Some(path.clone()), hidden.clone())),
        };
        let builder = match &file {
            Some(file) => builder.with_sink(file.clone()),
            None => builder.with_sink(StandardError),
        };
        Ok((builder.build().map_err(|error| self.problem(error))?, file))
    }

    fn file(&self, path: Option<PathBuf>, hidden: Hidden) -> ExporterFile {
        let place = self.field.problem("");
        ExporterFile::new(path, move |error| {
            place.clone().with_message(hidden.hide(&error.to_string())).into()
        })
    }

    /// The error of the transport: at the key of a certificate's file, which the transport names by its method, else
    /// at the exporter.
    fn refused(&self, error: spanwise_transport::BuildError) -> BuildError {
        use spanwise_transport::BuildError as Error;
        let (key, value, problem, accepted) = match &error {
            Error::Certificate { value, problem, .. } => {
                ("ca_file", value, problem, "certificates")
            }
            Error::ClientCertificate { value, problem, .. } => {
                ("cert_file", value, problem, "a client certificate with its chain")
            }
            Error::ClientKey { value, problem, .. } => {
                ("key_file", value, problem, "the client certificate's private key, not encrypted,")
            }
            _ => return self.problem(error),
        };
        let message = format!(
            "`{value}` cannot be used: {problem}; accepted is the path of a readable PEM file with {accepted} up to 1 MiB"
        );
        match (places::find(self.field.clone(), &format!("tls.{key}")), &self.kind) {
            (Some(file), Kind::Otlp(otlp)) => file.problem(otlp.hidden.hide(&message)).into(),
            _ => self.problem(error),
        }
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
            .with_settings_in_file(true)
            .with_compression(self.compression)
            .with_attempt_timeout(limit(self.timeout));
        if let Some(url) = &self.endpoint {
            let endpoint = match self.protocol {
                Protocol::Grpc => Endpoint::parse_grpc("endpoint", url, self.insecure),
                _ => parse_origin("endpoint", url),
            };
            let endpoint = endpoint.map_err(|error| error.to_string())?;
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
