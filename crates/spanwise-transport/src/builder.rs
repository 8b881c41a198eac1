//! The builder of a transport: all settings, validated before a request is sent.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;

use crate::advice::AdviceNames;
use crate::attempt::AttemptObserver;
use crate::compression::CompressionSettings;
use crate::error::CRATE_NAME;
use crate::sink::{Sink, SinkBackend};
use crate::tls_settings::{ConnectionSettings, Roots};
use crate::{
    BuildError, Channels, CircuitBreaker, Compression, CryptoProvider, Endpoint, EndpointSelection,
    FailedAttempt, Headers, HttpVersion, IdleConnections, Protocol, RetryPolicy, Signal, range,
};

/// Builds a [`Transport`](crate::Transport) or a [`BlockingTransport`](crate::BlockingTransport). Every setting has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct TransportBuilder {
    pub(crate) signal: Signal,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Option<Endpoint>,
    /// The endpoints after the first.
    pub(crate) further_endpoints: Vec<Endpoint>,
    /// The list of endpoints was empty.
    pub(crate) is_without_endpoint: bool,
    pub(crate) endpoint_selection: EndpointSelection,
    pub(crate) headers: Headers,
    pub(crate) compression: CompressionSettings,
    pub(crate) attempt_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_throttle: Option<Duration>,
    pub(crate) retry: RetryPolicy,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) max_response_bytes: usize,
    pub(crate) user_agent_prefix: Option<Sanitized>,
    pub(crate) connection: ConnectionSettings,
    pub(crate) sink: Option<SinkBackend>,
    pub(crate) channels: Channels,
    pub(crate) idle: IdleConnections,
    pub(crate) observer: Option<AttemptObserver>,
    pub(crate) crate_name: &'static str,
    /// A configuration file has the settings.
    pub(crate) settings_in_file: bool,
}

impl TransportBuilder {
    pub(crate) fn new() -> Self {
        Self {
            signal: Signal::default(),
            protocol: Protocol::default(),
            endpoint: None,
            further_endpoints: Vec::new(),
            is_without_endpoint: false,
            endpoint_selection: EndpointSelection::default(),
            headers: Headers::new(),
            compression: CompressionSettings::default(),
            attempt_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            max_throttle: None,
            retry: RetryPolicy::default(),
            circuit_breaker: None,
            max_response_bytes: 64 << 10,
            user_agent_prefix: None,
            connection: ConnectionSettings::default(),
            sink: None,
            channels: Channels::default(),
            idle: IdleConnections::default(),
            observer: None,
            crate_name: CRATE_NAME,
            settings_in_file: false,
        }
    }

    /// Sets the signal of requests. Default [`Signal::Traces`].
    ///
    /// [`Signal::Metrics`] cannot be sent by [`Protocol::HttpJson`], nor by a [`FileSink`](crate::FileSink).
    pub fn with_signal(mut self, signal: Signal) -> Self {
        self.signal = signal;
        self
    }

    /// Sets the OTLP transport protocol. Default [`Protocol::HttpProtobuf`].
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the endpoint. Default [`Endpoint::localhost_of`] the signal. gRPC ignores its path.
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self.is_without_endpoint = false;
        self
    }

    /// Sets several endpoints of receivers that are equal: each attempt goes to one of them. The list
    /// replaces that of an earlier call, and [`with_endpoint`](Self::with_endpoint) its first.
    ///
    /// Retries and timeouts are those of a request, whichever endpoints its attempts go to. Each endpoint has
    /// its own throttle (`Retry-After`) and its own circuit breaker, so that one that fails does not stop the
    /// others; a request waits only while no endpoint may be asked. The headers are sent to all of them. 1 to 64
    /// endpoints.
    ///
    /// ```
    /// use spanwise_transport::{Endpoint, EndpointSelection, TransportBuilder};
    ///
    /// let endpoints = ["http://collector-1:4318", "http://collector-2:4318"]
    ///     .map(|url| Endpoint::parse_base("endpoints", url))
    ///     .into_iter()
    ///     .collect::<Result<Vec<_>, _>>()?;
    /// let _builder = TransportBuilder::default()
    ///     .with_endpoints(endpoints)
    ///     .with_endpoint_selection(EndpointSelection::RoundRobin);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_endpoints(mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut endpoints = endpoints.into_iter();
        self.endpoint = endpoints.next();
        self.is_without_endpoint = self.endpoint.is_none();
        self.further_endpoints = endpoints.take(MAX_ENDPOINTS).collect();
        self
    }

    /// Sets which of several endpoints an attempt goes to. Default [`EndpointSelection::PickFirst`].
    pub fn with_endpoint_selection(mut self, selection: EndpointSelection) -> Self {
        self.endpoint_selection = selection;
        self
    }

    /// Sets the headers of every request. Default none.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the compression of request bodies. Default [`Compression::None`].
    ///
    /// A receiver that refuses the encoding (HTTP 415, HTTP 400 with the Collector's message, gRPC's
    /// `UNIMPLEMENTED`) gets the same request uncompressed at once, within its timeout. If it accepts that,
    /// later requests are not compressed.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression.compression = compression;
        self
    }

    /// Sets the level of the compression: gzip 1 to 9, zstd -7 to 9. Default 1. No effect without
    /// compression.
    ///
    /// A higher level makes smaller bodies in more time, and for zstd in more
    /// [memory](crate::Transport::encoder_bytes): levels above 1 rarely pay for traces.
    pub fn with_compression_level(mut self, level: i32) -> Self {
        self.compression.level = Some(level);
        self
    }

    /// Sets the size in bytes below which bodies are sent uncompressed. Default 1 KiB, at most 64 MiB:
    /// smaller bodies gain little, because they repeat little.
    pub fn with_compression_threshold(mut self, bytes: usize) -> Self {
        self.compression.threshold = bytes;
        self
    }

    /// Sets the timeout of one attempt, from connecting to the last byte of the response
    /// (`OTEL_EXPORTER_OTLP_TIMEOUT`). Default 10 s, at least 1 ms, without an upper limit.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the timeout of one request with all its attempts and waits. Default 60 s, at least 1 ms,
    /// without an upper limit.
    ///
    /// A request that the server asks to wait longer fails at once.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the longest time for which a server can throttle all requests to its endpoint, by `Retry-After` or gRPC's `RetryInfo`. The
    /// default leaves each request one attempt: the [request timeout](Self::with_request_timeout) less the attempt timeout, or a half of it
    /// if that is longer. With a longer time, requests fail without an attempt while the server is busy: for callers that store them.
    pub fn with_max_throttle(mut self, time: Duration) -> Self {
        self.max_throttle = Some(time);
        self
    }

    /// The longest time of a throttle.
    pub(crate) fn longest_throttle(&self) -> Duration {
        let one_attempt = self.request_timeout.saturating_sub(self.attempt_timeout);
        self.max_throttle.unwrap_or_else(|| one_attempt.max(self.request_timeout / 2))
    }

    /// Sets the retry policy.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the circuit breaker; `None` is none. Default none.
    pub fn with_circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.circuit_breaker = breaker.into();
        self
    }

    /// Sets the maximum bytes of a successful response body, as sent and inflated. Default 64 KiB,
    /// 1 KiB to 64 MiB.
    ///
    /// A receiver answers a success with a few bytes. The body of a failure is read up to 8 KiB,
    /// independent of this setting: its status alone classifies it.
    pub fn with_max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Sets the number of HTTP/2 connections of OTLP/gRPC, and their keep-alive. Default: one connection.
    /// Other protocols ignore it.
    pub fn with_channels(mut self, channels: Channels) -> Self {
        self.channels = channels;
        self
    }

    /// Sets how many connections of OTLP/HTTP stay open for the next request, and for how long. Other
    /// protocols ignore it.
    pub fn with_idle_connections(mut self, idle: IdleConnections) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the version of HTTP that carries OTLP/HTTP. Default [`HttpVersion::Http1`]. Other protocols ignore
    /// it.
    pub fn with_http_version(mut self, version: HttpVersion) -> Self {
        self.connection.http_version = version;
        self
    }

    /// Sets a prefix of the `User-Agent`, as the specification allows for a distribution.
    pub fn with_user_agent_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.user_agent_prefix = Some(Sanitized(prefix.into()));
        self
    }

    /// Passes requests to `sink` instead of the network. They are neither compressed nor retried, and
    /// protocol, endpoint and headers have no effect.
    pub fn with_sink(mut self, sink: impl Sink) -> Self {
        self.sink = Some(SinkBackend::new(sink));
        self.protocol = Protocol::HttpProtobuf;
        self
    }

    /// Calls `observer` after each failed attempt. Default none.
    ///
    /// The observer runs on the thread that polls [`send`](crate::Transport::send) and must not block it.
    /// Its panics are caught. Cancelling a request within an attempt does not count as a failed
    /// attempt.
    ///
    /// ```
    /// use spanwise_transport::TransportBuilder;
    ///
    /// let _builder = TransportBuilder::default()
    ///     .with_attempt_observer(|failed| eprintln!("{failed}"));
    /// ```
    pub fn with_attempt_observer(
        mut self,
        observer: impl Fn(&FailedAttempt) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(AttemptObserver::new(observer));
        self
    }

    /// Names the crate in errors about a missing feature. A crate that passes its features on names
    /// itself. Default `spanwise-transport`.
    // Hidden, because only a crate that forwards the features `grpc` and `tls` of this one needs it.
    #[doc(hidden)]
    pub fn with_crate_name(mut self, name: &'static str) -> Self {
        self.crate_name = name;
        self
    }

    /// A file of OpenTelemetry's declarative configuration has the settings, in place of the `OTEL_*` variables: advice
    /// names its keys. Default `false`.
    // Hidden, because only a crate that reads such a file needs it.
    #[doc(hidden)]
    pub fn with_settings_in_file(mut self, in_file: bool) -> Self {
        self.settings_in_file = in_file;
        self
    }

    pub(crate) fn advice_names(&self) -> AdviceNames {
        let Self { crate_name, signal, settings_in_file: in_file, .. } = *self;
        AdviceNames { crate_name, signal, in_file }
    }

    /// The first endpoint, or the default one.
    pub(crate) fn first_endpoint(&self) -> Endpoint {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone().of_signal(self.signal),
            None => Endpoint::localhost_of(self.signal, self.protocol),
        }
    }

    /// Checks every number against its range.
    pub(crate) fn check_numbers(&self) -> Result<(), BuildError> {
        if self.signal == Signal::Metrics && self.protocol == Protocol::HttpJson {
            return Err(BuildError::OutOfRange {
                field: "with_protocol",
                value: self.protocol.to_string(),
                range: "http/protobuf or grpc for metrics".to_owned(),
            });
        }
        let retry = &self.retry;
        for (field, time) in [
            ("with_attempt_timeout (the attempt timeout)", self.attempt_timeout),
            ("with_request_timeout (the request timeout)", self.request_timeout),
            ("RetryPolicy::with_initial (the first wait of the retry policy)", retry.initial),
            ("RetryPolicy::with_cap (the cap of the retry policy)", retry.cap),
        ] {
            range::time(field, time)?;
        }
        if let Some(longest) = self.max_throttle {
            range::time("with_max_throttle (the longest throttle)", longest)?;
        }
        self.circuit_breaker.as_ref().map_or(Ok(()), CircuitBreaker::check)?;
        let factor = "RetryPolicy::with_factor (the factor of the retry policy)";
        range::number(factor, retry.factor, 1.0..=10.0)?;
        self.channels.check()?;
        self.idle.check()?;
        range::number("with_max_response_bytes", self.max_response_bytes, 1 << 10..=64 << 20)
    }

    /// Checks that the features are compiled in which TLS to `endpoint` needs; `has_tls`: that of the
    /// transport is.
    pub(crate) fn check_tls(&self, endpoint: &Endpoint, has_tls: bool) -> Result<(), BuildError> {
        let crate_name = self.crate_name;
        if endpoint.is_https() && !has_tls {
            return Err(BuildError::NoTls { endpoint: endpoint.clone(), crate_name });
        }
        let needs_system_roots = matches!(self.connection.tls.roots, Roots::System);
        if endpoint.is_https() && needs_system_roots && cfg!(not(feature = "system-roots")) {
            return Err(BuildError::NoSystemRoots { crate_name });
        }
        let needs_aws_lc = self.connection.tls.provider == CryptoProvider::AwsLc;
        if endpoint.is_https() && needs_aws_lc && cfg!(not(feature = "aws-lc")) {
            return Err(BuildError::NoAwsLc { crate_name });
        }
        Ok(())
    }

    pub(crate) fn user_agent(&self) -> Result<HeaderValue, BuildError> {
        if let Some(own) = self.headers.get(&USER_AGENT) {
            return HeaderValue::from_bytes(own).map_err(|_| BuildError::UserAgent);
        }
        match self.user_agent_prefix.as_ref().map(|prefix| prefix.0.trim()) {
            None | Some("") => Ok(HeaderValue::from_static(AGENT)),
            Some(prefix) => HeaderValue::try_from(format!("{prefix} {AGENT}"))
                .map_err(|_| BuildError::UserAgent),
        }
    }
}

impl Default for TransportBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A setting whose `Debug` is sanitized.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sanitized(String);

impl fmt::Debug for Sanitized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::sanitize(&self.0))
    }
}

pub(crate) const MAX_ENDPOINTS: usize = 64;
const AGENT: &str = concat!("OTel-OTLP-Exporter-Rust-Spanwise/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests {
    use super::*;
    use crate::Transport;

    fn at(url: &str) -> TransportBuilder {
        Transport::builder().with_endpoint(Endpoint::parse("S", url).unwrap())
    }

    #[test]
    fn an_error_names_the_missing_feature() {
        let https = at("https://collector").build();
        let grpc = at("http://collector").with_protocol(Protocol::Grpc).build();
        let needs = |built: Result<Transport, BuildError>, feature: &str, enabled: bool| {
            assert_eq!(built.is_ok(), enabled, "{built:?}");
            let named = |error: BuildError| error.to_string().contains(feature);
            assert!(built.map_or_else(named, |_| enabled));
        };
        needs(https, "`tls`", cfg!(feature = "tls"));
        needs(grpc, "`grpc`", cfg!(feature = "grpc"));
        let http2 = at("http://collector").with_http_version(HttpVersion::Http2).build();
        needs(http2, "`http2`", cfg!(feature = "http2"));
    }

    #[test]
    #[cfg(feature = "tls")]
    fn an_invalid_certificate_is_an_error_for_https_only() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no certificate", pem] {
            let error = at("https://c").with_certificate_pem(pem).build().unwrap_err();
            assert!(matches!(error, BuildError::Certificate { .. }), "{error}");
            assert!(at("http://c").with_certificate_pem(pem).build().is_ok());
        }
    }

    #[test]
    fn debug_prints_no_secret() {
        let headers = Headers::parse("api-key=hunter2").unwrap();
        let builder = at("http://c/?key=hunter2").with_headers(headers);
        let builder = builder.with_certificate_pem("hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("hunter2"));
    }

    #[test]
    fn the_user_agent_takes_a_prefix() {
        let agent = |builder: TransportBuilder| builder.user_agent();
        let ours = Transport::builder();
        assert_eq!(agent(ours.clone()).unwrap(), AGENT);
        let prefixed = agent(ours.clone().with_user_agent_prefix(" shop/1 ")).unwrap();
        assert_eq!(prefixed, format!("shop/1 {AGENT}"));
        assert_eq!(
            agent(ours.with_user_agent_prefix("a\r\nb: c")).unwrap_err(),
            BuildError::UserAgent
        );
    }
}
