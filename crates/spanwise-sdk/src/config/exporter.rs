//! Where spans go and how: `OTEL_EXPORTER_OTLP_*`.

use super::environment::Environment;
use super::ranges;
use super::{BuildError, Builder};
use crate::diagnostics::EndpointHealth;
use spanwise_transport::{Compression, Endpoint, EndpointError, Headers, Protocol, Transport};
use std::io::Read as _;

impl Builder {
    pub(super) fn transport(
        &self,
        environment: &Environment,
        health: &EndpointHealth,
    ) -> Result<Transport, BuildError> {
        let protocol = self.resolve_protocol(environment)?;
        let health = health.clone();
        let mut transport = Transport::builder()
            .with_protocol(protocol)
            .with_attempt_observer(move |failed| health.attempt_failed(failed))
            .with_headers(self.resolve_headers(environment)?)
            .with_compression(self.resolve_compression(environment));
        if let Some(endpoint) = self.resolve_endpoint(environment, protocol)? {
            transport = transport.with_endpoint(endpoint);
        }
        if let Some(pem) = self.resolve_certificate(environment)? {
            transport = transport.with_certificate_pem(pem);
        }
        let attempt = self.attempt_timeout.or_else(|| environment.millis(&TIMEOUT));
        if let Some(timeout) = attempt {
            transport = transport.with_attempt_timeout(timeout);
        }
        let overall =
            self.export_timeout.or_else(|| environment.millis(&["OTEL_BSP_EXPORT_TIMEOUT"]));
        if let Some(timeout) = overall {
            transport = transport.with_deadline(timeout);
        }
        if let Some(sink) = &self.sink {
            transport = transport.with_sink(sink.clone());
        }
        Ok(transport.build()?)
    }

    fn resolve_protocol(&self, environment: &Environment) -> Result<Protocol, BuildError> {
        if let Some(protocol) = self.protocol {
            return Ok(protocol);
        }
        match environment.text(&PROTOCOL) {
            None => Ok(Protocol::default()),
            Some((setting, value)) => {
                value.parse().map_err(|error| BuildError::setting(setting, value, error))
            }
        }
    }

    /// `None` is the transport's default, on this machine.
    fn resolve_endpoint(
        &self,
        environment: &Environment,
        protocol: Protocol,
    ) -> Result<Option<Endpoint>, EndpointError> {
        let insecure = || environment.switch(&INSECURE).unwrap_or(false);
        if let Some(url) = &self.endpoint {
            return given_endpoint(url, protocol, insecure).map(Some);
        }
        let Some((setting, url)) = environment.text(&ENDPOINT) else { return Ok(None) };
        match protocol {
            Protocol::Grpc => Endpoint::parse_grpc(setting, &url, insecure()),
            _ if setting == BASE_ENDPOINT => Endpoint::parse_base(setting, &url),
            _ => Endpoint::parse(setting, &url),
        }
        .map(Some)
    }

    fn resolve_headers(&self, environment: &Environment) -> Result<Headers, BuildError> {
        let refused = |setting, error: String| BuildError::setting(setting, "[redacted]", error);
        let mut headers = match environment.text(&HEADERS) {
            None => Headers::new(),
            Some((setting, list)) if list.len() > MAX_HEADER_LIST => {
                let accepted = format!("accepted is up to {MAX_HEADER_LIST} bytes");
                return Err(refused(setting, accepted));
            }
            Some((setting, list)) => {
                Headers::parse(&list).map_err(|error| refused(setting, error.to_string()))?
            }
        };
        let given = self.headers.iter().map(|(name, value)| name.len() + value.len());
        ranges::HEADER_BYTES.check(given.sum())?;
        for (name, value) in &self.headers {
            headers = headers
                .with(name, value)
                .map_err(|error| refused("with_header", error.to_string()))?;
        }
        Ok(headers)
    }

    fn resolve_compression(&self, environment: &Environment) -> Compression {
        let given = self.compression.or_else(|| {
            environment.parsed(&COMPRESSION, "none or gzip", |value| value.parse().ok())
        });
        given.unwrap_or_default()
    }

    fn resolve_certificate(
        &self,
        environment: &Environment,
    ) -> Result<Option<Vec<u8>>, BuildError> {
        if let Some(pem) = &self.certificate_pem {
            return Ok(Some(pem.clone()));
        }
        let Some((setting, path)) = environment.text(&CERTIFICATE) else { return Ok(None) };
        read_certificate(&path).map(Some).map_err(|error| {
            let problem =
                format!("{error}; accepted is the path of a readable PEM file, up to 1 MiB");
            BuildError::setting(setting, path, problem)
        })
    }
}

/// A device or a pipe would be read without end.
fn read_certificate(path: &str) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > MAX_CERTIFICATE_BYTES {
        return Err(std::io::Error::other("not a file, or too large"));
    }
    let mut pem = Vec::new();
    std::fs::File::open(path)?.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}

/// An endpoint from code: used as it is, but for OTLP/HTTP a URL that is only an origin gets the
/// path that every receiver has.
fn given_endpoint(
    url: &str,
    protocol: Protocol,
    insecure: impl Fn() -> bool,
) -> Result<Endpoint, EndpointError> {
    const SETTING: &str = "with_endpoint";
    match protocol {
        Protocol::Grpc => Endpoint::parse_grpc(SETTING, url, insecure()),
        _ => {
            let endpoint = Endpoint::parse(SETTING, url)?;
            if endpoint.path() == "/" { Endpoint::parse_base(SETTING, url) } else { Ok(endpoint) }
        }
    }
}

const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
const MAX_HEADER_LIST: usize = 16 << 10;

// The variable of the signal, then the generic one.
const BASE_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", BASE_ENDPOINT];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const COMPRESSION: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const INSECURE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
const CERTIFICATE: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
