//! Whether spans are exported, and how: `OTEL_TRACES_EXPORTER`, `OTEL_EXPORTER_OTLP_*`.

use super::environment::Environment;
use super::shown::{REDACTED, is_pem, shown, shown_name, shown_path};
use super::{BuildError, SpanwiseBuilder, ranges, unused};
use crate::diagnostics::EndpointHealth;
use spanwise_transport::{Compression, Endpoint, Headers, HeadersError, Protocol, Transport};
use std::collections::HashSet;
use std::io::Read as _;
use std::time::Duration;

/// Whether spans leave the process (`OTEL_TRACES_EXPORTER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Exporter {
    /// `otlp`: requests go to the endpoint, or to the sink.
    #[default]
    Otlp,
    /// `none`: spans have ids, and the sampler decides their flag, so that propagation and
    /// correlation with logs go on. Nothing is recorded, sent or counted, and no worker thread is started.
    ///
    /// `is_recording` is false also for a sampled span, so that nobody computes attributes for it.
    /// Samplers that learn from a collector or from time passing stay as they begin.
    None,
}

/// A value, and the setting it came by.
struct Named<T> {
    setting: &'static str,
    value: T,
}

/// CA certificates to trust, in PEM form.
struct Certificate {
    setting: &'static str,
    /// The setting's value as it is shown.
    shown: String,
    pem: Vec<u8>,
}

impl SpanwiseBuilder {
    pub(super) fn resolve_exporter(&self, environment: &Environment) -> Exporter {
        self.exporter.or_else(|| from_environment(environment)).unwrap_or_default()
    }

    /// Builds the transport from code and environment.
    ///
    /// # Errors
    /// A setting that is used cannot be. What a sink or an `http` endpoint has no use for is not
    /// looked at.
    pub(super) fn transport(
        &self,
        environment: &Environment,
        health: &EndpointHealth,
    ) -> Result<Transport, BuildError> {
        let health = health.clone();
        let mut transport = Transport::builder()
            .with_crate_name("spanwise")
            .with_attempt_observer(move |failed| health.attempt_failed(failed));
        if let Some(bytes) = self.max_response_bytes {
            transport = transport.with_max_response_bytes(bytes);
        }
        if let Some(timeout) = self.resolve_attempt_timeout(environment)? {
            transport = transport.with_attempt_timeout(timeout);
        }
        if let Some(timeout) = self.resolve_export_timeout(environment)? {
            transport = transport.with_request_timeout(timeout);
        }
        if let Some(sink) = &self.sink {
            return Ok(transport.with_sink(sink.clone()).build()?);
        }
        unused::refuse_client_certificates(environment)?;
        let protocol = self.resolve_protocol(environment)?;
        let endpoint = self.resolve_endpoint(environment, protocol.value)?;
        unused::report_otlp(environment, protocol.value);
        transport = transport
            .with_protocol(protocol.value)
            .with_headers(self.resolve_headers(environment)?)
            .with_compression(self.resolve_compression(environment));
        if let Some(endpoint) = &endpoint {
            transport = transport.with_endpoint(endpoint.value.clone());
        }
        let is_https = endpoint.as_ref().is_some_and(|endpoint| endpoint.value.is_https());
        let certificate = self.resolve_certificate(environment, is_https)?;
        if let Some(certificate) = &certificate {
            transport = transport.with_certificate_pem(&*certificate.pem);
        }
        transport.build().map_err(|error| {
            named(error, protocol.setting, endpoint.map(|endpoint| endpoint.setting), certificate)
        })
    }

    fn resolve_attempt_timeout(
        &self,
        environment: &Environment,
    ) -> Result<Option<Duration>, BuildError> {
        let timeout = match self.attempt_timeout {
            Some(timeout) => Some(ranges::timeout("with_attempt_timeout", timeout)?),
            None => environment.timeout(&TIMEOUT),
        };
        Ok(timeout.map(limit))
    }

    fn resolve_export_timeout(
        &self,
        environment: &Environment,
    ) -> Result<Option<Duration>, BuildError> {
        let timeout = match self.export_timeout {
            Some(timeout) => Some(ranges::timeout("with_export_timeout", timeout)?),
            None => environment.timeout(&["OTEL_BSP_EXPORT_TIMEOUT"]),
        };
        Ok(timeout.map(limit))
    }

    fn resolve_protocol(&self, environment: &Environment) -> Result<Named<Protocol>, BuildError> {
        if let Some(value) = self.protocol {
            return Ok(Named { setting: "with_protocol", value });
        }
        let Some((setting, name)) = environment.required_text(&PROTOCOL)? else {
            return Ok(Named { setting: "with_protocol", value: Protocol::default() });
        };
        match name.to_ascii_lowercase().parse() {
            Ok(value) => Ok(Named { setting, value }),
            // Its error shows the name as it is.
            Err(_) if name.eq_ignore_ascii_case("http/json") => Err(BuildError::setting(
                setting,
                name,
                "it is not supported yet; accepted are http/protobuf and grpc",
            )),
            Err(_) => Err(BuildError::setting(
                setting,
                shown_name(&name),
                "accepted are http/protobuf and grpc",
            )),
        }
    }

    /// `None` is the transport's default, on this machine.
    fn resolve_endpoint(
        &self,
        environment: &Environment,
        protocol: Protocol,
    ) -> Result<Option<Named<Endpoint>>, BuildError> {
        let grpc = |setting, url: &str| {
            // A scheme stands above the variable, which is not looked at then.
            let insecure = !url.contains("://") && environment.switch(&INSECURE);
            Endpoint::parse_grpc(setting, url, insecure)
        };
        let (setting, url) = match &self.endpoint {
            Some(url) => ("with_endpoint", url.clone()),
            None => match environment.required_text(&ENDPOINT)? {
                Some(named) => named,
                None => return Ok(None),
            },
        };
        let value = match (protocol, &self.endpoint) {
            (Protocol::Grpc, _) => grpc(setting, &url),
            (_, Some(url)) => {
                // Used as it is, but a URL that is only an origin gets the path that every
                // receiver has.
                let endpoint = Endpoint::parse(setting, url)?;
                let is_origin = endpoint.path() == "/";
                if is_origin { Endpoint::parse_base(setting, url) } else { Ok(endpoint) }
            }
            _ if setting == BASE_ENDPOINT => Endpoint::parse_base(setting, &url),
            _ => Endpoint::parse(setting, &url),
        }?;
        Ok(Some(Named { setting, value }))
    }

    /// The variable's, of the signal or else the generic one, and the code's: each name once, and
    /// the code's value where both have it.
    fn resolve_headers(&self, environment: &Environment) -> Result<Headers, BuildError> {
        let given = self.headers.iter().map(|(name, value)| name.len() + value.len());
        ranges::HEADER_BYTES.check(given.sum())?;
        let mut taken = HashSet::new();
        let mut ours: Vec<_> = self.headers.iter().rev().collect();
        ours.retain(|(name, _)| taken.insert(name.trim().to_ascii_lowercase()));

        let mut headers = match environment.required_text(&HEADERS)? {
            None => Headers::new(),
            Some((setting, list)) => parse_headers(setting, &list, &mut taken)?,
        };
        for (name, value) in ours.into_iter().rev() {
            headers = headers.with(name, value).map_err(|error| {
                let problem = match error {
                    // What follows a colon is a value, put in the wrong place.
                    HeadersError::Name { name } => {
                        let name = name.split(':').next().unwrap_or_default();
                        format!("`{name}` is not a header name")
                    }
                    error => error.to_string(),
                };
                BuildError::setting("with_header", REDACTED, problem)
            })?;
        }
        Ok(headers)
    }

    fn resolve_compression(&self, environment: &Environment) -> Compression {
        let given = self
            .compression
            .or_else(|| environment.name(&COMPRESSION, "none or gzip", |value| value.parse().ok()));
        given.unwrap_or_default()
    }

    /// Reads the CA certificates; `None` for an `http` endpoint, which uses none.
    fn resolve_certificate(
        &self,
        environment: &Environment,
        is_https: bool,
    ) -> Result<Option<Certificate>, BuildError> {
        if let Some(pem) = self.certificate_pem.clone() {
            let shown = format!("[{} bytes]", pem.len());
            return Ok(Some(Certificate { setting: "with_certificate_pem", shown, pem }));
        }
        if !is_https {
            unused::report_certificate(environment);
            return Ok(None);
        }
        let Some((setting, path)) = environment.required_text(&CERTIFICATE)? else {
            return Ok(None);
        };
        let shown = shown_path(&path);
        match read_certificate(&path) {
            Ok(pem) => Ok(Some(Certificate { setting, shown, pem })),
            Err(error) => {
                let problem = match is_pem(&path) {
                    true => "it is a certificate or a key itself".to_owned(),
                    false => error.to_string(),
                };
                let accepted = "accepted is the path of a readable PEM file, up to 1 MiB";
                Err(BuildError::setting(setting, shown, format!("{problem}; {accepted}")))
            }
        }
    }
}

/// `OTEL_TRACES_EXPORTER`: a list of names.
fn from_environment(environment: &Environment) -> Option<Exporter> {
    let (setting, list) = environment.text(&[EXPORTER])?;
    let (mut otlp, mut none, mut others) = (false, false, Vec::new());
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match &*name.to_ascii_lowercase() {
            "otlp" => otlp = true,
            "none" => none = true,
            _ => others.push(name),
        }
    }
    let known = |name: &&str| UNSUPPORTED.iter().any(|known| name.eq_ignore_ascii_case(known));
    if !others.is_empty() {
        let accepted = match others.iter().all(known) {
            true => "otlp or none, the others are not supported; with_sink takes the requests",
            false => "otlp or none",
        };
        environment.ignore(setting, &shown(&others.join(",")), accepted);
    } else if otlp && none {
        environment.ignore(setting, "none", "otlp or none, not both");
    }
    match (otlp, none) {
        (true, _) => Some(Exporter::Otlp),
        (false, true) => Some(Exporter::None),
        (false, false) => None,
    }
}

/// The headers in `list` whose names are not `taken`: the last of each name (W3C Baggage, whose
/// form it has). Adds their names to `taken`.
fn parse_headers(
    setting: &'static str,
    list: &str,
    taken: &mut HashSet<String>,
) -> Result<Headers, BuildError> {
    let refused = |error: String| BuildError::setting(setting, REDACTED, error);
    if list.len() > MAX_HEADER_LIST {
        return Err(refused(format!("accepted is up to {MAX_HEADER_LIST} bytes")));
    }
    let mut entries: Vec<&str> = list.split(',').collect();
    for entry in entries.iter_mut().rev() {
        if let Some((name, _)) = entry.split_once('=')
            && !taken.insert(name.trim().to_ascii_lowercase())
        {
            // Its place stays, for errors count them.
            *entry = "";
        }
    }
    Headers::parse(&entries.join(",")).map_err(|error| match error {
        // What is taken for a name may be most of a value: `authorization: Basic c2VjcmV0=`.
        HeadersError::Name { .. } => {
            let is_wrong = |entry: &&str| {
                matches!(Headers::parse(entry), Err(HeadersError::Name { .. }))
            };
            let place = 1 + entries.iter().position(is_wrong).unwrap_or_default();
            refused(format!(
                "entry {place} has no header name before its `=`; accepted is name=value,name2=value2"
            ))
        }
        error => refused(error.to_string()),
    })
}

/// 0 is no limit.
fn limit(timeout: Duration) -> Duration {
    if timeout.is_zero() { Duration::MAX } else { timeout }
}

/// `error` by the name of the setting that it comes from.
fn named(
    error: spanwise_transport::BuildError,
    protocol: &'static str,
    endpoint: Option<&'static str>,
    certificate: Option<Certificate>,
) -> BuildError {
    use spanwise_transport::BuildError as Error;
    let endpoint = endpoint.unwrap_or("with_endpoint");
    match (error, certificate) {
        (Error::NoGrpc { .. }, _) => BuildError::no_feature(
            protocol,
            Protocol::Grpc,
            "grpc",
            "use http/protobuf (port 4318)",
        ),
        (Error::NoTls { endpoint: url, .. }, _) => {
            BuildError::no_feature(endpoint, url, "tls", "use an http:// endpoint")
        }
        // The PEM reader's error quotes what it read, which may be a key.
        (Error::Certificate { .. }, Some(Certificate { setting, shown, .. })) => {
            BuildError::setting(
                setting,
                shown,
                "no certificate can be read from it; accepted are certificates in PEM form",
            )
        }
        (error, _) => error.into(),
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

const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
const MAX_HEADER_LIST: usize = 16 << 10;
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
/// Exporters that the specification knows or knew.
const UNSUPPORTED: [&str; 5] = ["console", "logging", "zipkin", "jaeger", "otlp/stdout"];

// The variable of the signal, then the generic one.
const BASE_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", BASE_ENDPOINT];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const COMPRESSION: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
pub(super) const INSECURE: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
pub(super) const CERTIFICATE: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
