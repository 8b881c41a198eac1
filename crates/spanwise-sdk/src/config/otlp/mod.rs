//! The transport of the OTLP exporter, from code and from `OTEL_EXPORTER_OTLP_*`.

mod certificate;
mod compression;
mod endpoint;
mod headers;
mod metrics;
mod named;
mod proxy;
mod record;
mod tls_settings;
mod trust;

use super::builder::SpanwiseBuilder;
use super::capacity::EXPORT_TIMEOUT;
use super::environment::Environment;
use super::error::BuildError;
use super::ranges::ATTEMPT_TIMEOUT;
use super::reload::running::TransportSource;
use super::settings;
use crate::diagnostics::{CertificateHealth, EndpointHealth};
use certificate::{CertificateFiles, OF_SPANS};
#[cfg(feature = "config-file")]
pub(super) use endpoint::parse_origin;
use endpoint::report_insecure;
use spanwise_transport::{Compression, Protocol, Transport, TransportBuilder};
use std::sync::Arc;
use std::time::Instant;
pub(super) use trust::{ClientCertificate, Trust};

impl SpanwiseBuilder {
    /// Builds the transport from code and environment.
    ///
    /// # Errors
    /// A setting in use is invalid. Settings that a sink or an `http` endpoint does not use are not read.
    pub(super) fn transport(
        &self,
        environment: &Environment,
        health: &EndpointHealth,
    ) -> Result<(Transport, TransportSource), BuildError> {
        let certificates = CertificateHealth::new(health.reporter().clone());
        let health = health.clone();
        if let Some(transport) = &self.transport {
            return self.given_transport(transport, environment, health);
        }
        let mut transport = Transport::builder()
            .with_crate_name(self.recording_sdk.crate_name())
            .with_settings_in_file(self.of_file.is_declarative)
            .with_attempt_observer(move |failed| health.attempt_failed(failed));
        transport = transport
            .with_max_response_bytes(self.max_response_bytes.unwrap_or(record::MAX_RESPONSE_BYTES))
            .with_circuit_breaker(self.circuit_breaker);
        transport = self.resolve_timeouts(environment, transport)?;
        record::of_attempts(self, environment);
        if let Some(sink) = &self.sink {
            let transport = transport.with_sink(sink.clone()).build()?;
            self.report_unused_network(environment, &transport.destination());
            let address = Arc::as_ptr(sink).cast::<()>().addr();
            let source = TransportSource::Sink(address, transport.destination());
            return Ok((transport, source));
        }
        let protocol = self.resolve_protocol(environment)?;
        let endpoint = self.resolve_endpoint(environment, protocol.value)?;
        let compression = self.resolve_compression(environment)?;
        report_insecure(environment, protocol.value);
        environment.effective(&settings::PROTOCOL, || protocol.value.to_string());
        environment.effective(&settings::COMPRESSION, || compression.value.to_string());
        record::of_encoding(self, environment, compression.value);
        transport = transport
            .with_protocol(protocol.value)
            .with_headers(self.resolve_headers(environment)?)
            .with_compression(compression.value)
            .with_crypto_provider(self.crypto_provider.unwrap_or_default());
        transport = transport
            .with_compression_level(self.compression_level.unwrap_or(record::COMPRESSION_LEVEL))
            .with_compression_threshold(
                self.compression_threshold.unwrap_or(record::COMPRESSION_THRESHOLD),
            );
        if let Some(endpoint) = &endpoint {
            transport = transport.with_endpoint(endpoint.value.clone());
        }
        let target = endpoint.as_ref().map(|endpoint| &endpoint.value);
        transport = self.resolve_proxy(environment, target, transport)?;
        let is_https = endpoint.as_ref().is_some_and(|endpoint| endpoint.value.is_https());
        let (transport, files) =
            self.resolve_certificates(environment, &OF_SPANS, is_https, transport)?;
        self.record_certificates(environment, &OF_SPANS, &files);
        let named_files = files.clone();
        let transport = transport.with_reload_observer(move |reloaded| match reloaded {
            Ok(()) => certificates.reloaded(Instant::now()),
            Err(error) => {
                certificates.failed(Instant::now(), named_files.named(error.clone()).to_string());
            }
        });
        let source = TransportSource::Network(Box::new(transport.clone()));
        let built = transport.build().map_err(|error| {
            let endpoint = endpoint.map(|endpoint| endpoint.setting);
            named(error, protocol.setting, endpoint, &files, compression.setting)
        });
        Ok((built?, source))
    }

    fn resolve_timeouts(
        &self,
        environment: &Environment,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        let attempt = ATTEMPT_TIMEOUT.resolve(self.attempt_timeout, environment)?;
        let attempt = attempt.unwrap_or(record::ATTEMPT_TIMEOUT);
        let export = self.resolve_export_timeout(environment)?.unwrap_or(EXPORT_TIMEOUT);
        environment.effective(&settings::TIMEOUT, || settings::millis(attempt));
        environment.effective(&settings::EXPORT_TIMEOUT, || settings::millis(export));
        Ok(transport.with_attempt_timeout(attempt).with_request_timeout(export))
    }

    /// The transport of [`SpanwiseBuilder::with_transport`].
    fn given_transport(
        &self,
        transport: &Transport,
        environment: &Environment,
        health: EndpointHealth,
    ) -> Result<(Transport, TransportSource), BuildError> {
        let destination = transport.destination();
        if self.sink.is_some() {
            let problem = "with_sink is set too; accepted is one of them";
            return Err(BuildError::setting("with_transport", destination, problem));
        }
        self.report_unused_network(environment, &destination);
        let given = [
            ("with_attempt_timeout", self.attempt_timeout.is_some()),
            ("with_export_timeout", self.export_timeout.is_some()),
            ("with_max_response_bytes", self.max_response_bytes.is_some()),
            ("with_circuit_breaker", self.circuit_breaker.is_some()),
        ];
        for (setting, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            environment.unused(setting, "the transport of with_transport has its own");
        }
        let source = match &self.file_exporter {
            Some(path) => TransportSource::File(path.clone()),
            None => TransportSource::Given(transport.__id(), destination),
        };
        let transport = transport.clone();
        Ok((transport.with_attempt_observer(move |failed| health.attempt_failed(failed)), source))
    }

    /// Reports the settings in code that a sink or another transport does not use. Variables are not reported, because a deployment
    /// sets them for all of its services.
    fn report_unused_network(&self, environment: &Environment, destination: &str) {
        let given = [
            ("with_endpoint", self.endpoint.is_some()),
            ("with_protocol", self.protocol.is_some()),
            ("with_header", !self.headers.is_empty()),
            ("with_compression", self.compression.is_some()),
            ("with_compression_level", self.compression_level.is_some()),
            ("with_compression_threshold", self.compression_threshold.is_some()),
            ("with_proxy", self.proxy.is_some()),
            ("with_certificate_pem", matches!(self.trust, Some(Trust::Pem(_)))),
            ("with_certificate_file", matches!(self.trust, Some(Trust::File(_)))),
            ("with_crypto_provider", self.crypto_provider.is_some()),
            ("with_system_roots", matches!(self.trust, Some(Trust::SystemRoots))),
            (
                "with_client_certificate_pem",
                matches!(self.client_certificate, Some(ClientCertificate::Pem(..))),
            ),
            (
                "with_client_certificate_files",
                matches!(self.client_certificate, Some(ClientCertificate::Files(..))),
            ),
        ];
        for (setting, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            environment.unused(setting, format!("requests go to {destination}"));
        }
    }
}

/// Adds the name of its setting to `error`.
fn named(
    error: spanwise_transport::BuildError,
    protocol: &'static str,
    endpoint: Option<&'static str>,
    files: &CertificateFiles,
    compression: &'static str,
) -> BuildError {
    use spanwise_transport::BuildError as Error;
    let endpoint = endpoint.unwrap_or("with_endpoint");
    match (error.missing_feature(), error) {
        (Some(missing), Error::NoGrpc { .. }) => {
            BuildError::no_feature(protocol, Protocol::Grpc, missing)
        }
        (Some(missing), Error::NoZstd { .. }) => {
            BuildError::no_feature(compression, Compression::Zstd, missing)
        }
        (Some(missing), Error::NoTls { endpoint: url, .. }) => {
            BuildError::no_feature(endpoint, url, missing)
        }
        (_, Error::ServerName { endpoint: url }) => BuildError::setting(
            endpoint,
            url,
            "its host cannot be that of a certificate; accepted is https:// with a DNS name or an IP address",
        ),
        (_, error) => files.named(error),
    }
}
