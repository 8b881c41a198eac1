//! The settings of requests to an OTLP receiver, as our own blocks and those of the Collector have them.

use super::context::Context;
use super::keys::check_requests;
use super::values::{MAX_TIME, MIN_TIME, duration, flag, path, text, without_effect};
use crate::gateway::endpoint_of;
use spanwise_config::{Field, Mapping};
use spanwise_transport::{Compression, Endpoint, Headers, Protocol, RetryPolicy, TransportBuilder};
use std::time::Duration;

/// The block `otlp` of a destination.
pub(super) fn read(
    field: &Field<'_>,
    retry: Retry,
    context: &Context<'_>,
) -> Option<TransportBuilder> {
    let mapping = field.mapping(KEYS);
    let tls = mapping.get("tls");
    let is_insecure = flag(&tls.mapping(CLIENT_TLS_KEYS), "insecure");
    let protocol = protocol(&mapping);
    let builder = settings(&mapping, protocol, retry);
    let endpoint = endpoint(&mapping.get("endpoint").required(), protocol, is_insecure);
    let endpoint = endpoint?;
    check_tls(&tls, endpoint.is_https());
    let builder = builder.with_endpoint(endpoint);
    check_requests(&builder, field, &tls.mapping(CLIENT_TLS_KEYS), context);
    Some(builder)
}

/// The settings of requests to peers, without an endpoint, and whether they use TLS.
pub(super) fn of_peers(field: &Field<'_>, context: &Context<'_>) -> (TransportBuilder, bool) {
    let mapping = field.mapping(PEER_KEYS);
    let tls = mapping.get("tls");
    let is_insecure = flag(&tls.mapping(CLIENT_TLS_KEYS), "insecure");
    if !tls.has_value() {
        field.error("`tls` is required: `{insecure: true}` sends plain text to the peers, `{ca_file: …}` names the authority of their certificates");
    }
    check_tls(&tls, !is_insecure);
    without_effect(
        &mapping.get("retry").mapping(RETRY_KEYS),
        &["max_elapsed_time"],
        UNTIL_ANSWERED,
    );
    let protocol = mapping.get("protocol").choice(PROTOCOLS).unwrap_or(Protocol::Grpc);
    let builder = settings(&mapping, protocol, Retry::default());
    check_peers(&builder, !is_insecure, (field, &tls.mapping(CLIENT_TLS_KEYS)), context);
    (builder, !is_insecure)
}

/// As [`check_requests`], of peers, whose names are those of a resolver.
pub(super) fn check_peers(
    builder: &TransportBuilder,
    uses_tls: bool,
    (field, tls): (&Field<'_>, &Mapping<'_>),
    context: &Context<'_>,
) {
    if let Ok(endpoint) = endpoint_of("localhost", uses_tls) {
        check_requests(&builder.clone().with_endpoint(endpoint), field, tls, context);
    }
}

fn protocol(mapping: &Mapping<'_>) -> Protocol {
    mapping.get("protocol").choice(PROTOCOLS).unwrap_or(Protocol::Grpc)
}

fn settings(mapping: &Mapping<'_>, protocol: Protocol, defaults: Retry) -> TransportBuilder {
    let mut builder =
        TransportBuilder::default().with_protocol(protocol).with_settings_in_file(true);
    if let Some(compression) = mapping.get("compression").choice(COMPRESSIONS) {
        builder = builder.with_compression(compression);
        if let Some(level) = compression_level(&mapping.get("compression_level"), compression) {
            builder = builder.with_compression_level(level);
        }
    }
    let timeout = attempt_timeout(mapping);
    builder = builder.with_attempt_timeout(timeout);
    builder = client_files(&mapping.get("tls").mapping(CLIENT_TLS_KEYS), builder);
    builder = builder.with_headers(headers(&mapping.get("headers")));
    let retry = mapping.get("retry");
    self::retry(&retry.mapping(RETRY_KEYS), defaults.for_attempts_of(timeout), builder)
}

/// The deadline of an attempt.
pub(super) fn attempt_timeout(mapping: &Mapping<'_>) -> Duration {
    let timeout = duration(&mapping.get("timeout"), MIN_TIME..=MAX_TIME);
    timeout.unwrap_or(ATTEMPT_TIMEOUT)
}

/// The endpoint of requests: for gRPC `host:port` too, for HTTP a URL to which `/v1/traces` is appended.
pub(super) fn endpoint(
    field: &Field<'_>,
    protocol: Protocol,
    is_insecure: bool,
) -> Option<Endpoint> {
    let url = field.string()?.trim();
    let parsed = match protocol {
        Protocol::Grpc => Endpoint::parse_grpc("endpoint", url, is_insecure),
        _ => Endpoint::parse_base("endpoint", url),
    };
    match parsed {
        Ok(endpoint) => Some(endpoint),
        // The value of a variable may have credentials.
        Err(error) if field.is_substituted() => {
            field
                .error(format!("{}; accepted is a URL such as https://host:port", error.problem()));
            None
        }
        Err(error) => {
            field.error(error.to_string());
            None
        }
    }
}

fn check_tls(tls: &Field<'_>, is_https: bool) {
    let mapping = tls.mapping(CLIENT_TLS_KEYS);
    let insecure = mapping.get("insecure");
    if is_https && flag(&mapping, "insecure") {
        insecure.error("the endpoint begins with `https`: it is not insecure");
    }
    for key in CLIENT_TLS_KEYS.iter().filter(|key| **key != "insecure") {
        let field = mapping.get(key);
        if !is_https && field.has_value() {
            field.error(
                "the endpoint is plain text, which uses no certificates: begin it with `https://`",
            );
        }
    }
}

/// The certificates of a client.
pub(super) fn client_files(tls: &Mapping<'_>, mut builder: TransportBuilder) -> TransportBuilder {
    if let Some(path) = path(&tls.get("ca_file")) {
        builder = builder.with_certificate_file(path);
    }
    let (certificate, key) = (tls.get("cert_file"), tls.get("key_file"));
    match (certificate.has_value(), key.has_value()) {
        (true, false) => certificate.error("`key_file` is missing: both name a file, or neither"),
        (false, true) => key.error("`cert_file` is missing: both name a file, or neither"),
        _ => {}
    }
    match (path(&certificate), path(&key)) {
        (Some(certificate), Some(key)) => builder.with_client_certificate_files(certificate, key),
        _ => builder,
    }
}

/// The headers of a mapping of names and values, or of a list of them. No message shows a value.
pub(super) fn headers(field: &Field<'_>) -> Headers {
    let mut headers = Headers::new();
    let mut add = |name: &str, value: &Field<'_>| {
        let text = match value.has_value() {
            true => value.string(),
            false => Some(""),
        };
        let Some(text) = text else { return };
        if value.is_substituted() && text.trim().is_empty() {
            return value
                .error("its variable is not set, or empty: set it, or leave the header out");
        }
        // The error names the header, and never its value.
        match std::mem::take(&mut headers).with(name, text) {
            Ok(more) => headers = more,
            Err(error) => value.error(error.to_string()),
        }
    };
    if field.is_sequence() {
        for element in field.sequence() {
            let mapping = element.mapping(&["name", "value"]);
            if let Some(name) = text(&mapping.get("name").required()) {
                add(name, &mapping.get("value").secret());
            }
        }
    } else {
        for (name, value) in field.clone().secret().entries() {
            add(name, &value);
        }
    }
    headers
}

/// The level of a compression.
pub(super) fn compression_level(field: &Field<'_>, compression: Compression) -> Option<i32> {
    if !field.has_value() {
        return None;
    }
    let range = match compression {
        Compression::Gzip => 1..=9,
        Compression::Zstd => -7..=9,
        _ => {
            field.error("there is no compression that has a level");
            return None;
        }
    };
    field.integer(range).map(|level| level as i32)
}

/// Defaults of retries.
pub(super) struct Retry {
    pub(super) initial: Duration,
    pub(super) multiplier: f64,
    pub(super) cap: Duration,
    /// With all retries.
    pub(super) timeout: Duration,
    /// Of an attempt.
    pub(super) attempt: Duration,
    /// Requests that are not accepted in time go to the disk.
    pub(super) has_spool: bool,
    /// The most of `max_elapsed_time`, where it has another meaning than in the Collector.
    pub(super) max_timeout: Duration,
}

impl Retry {
    /// The defaults with a spool: a kill loses requests in memory, and not those on disk, so that a request goes to the disk soon.
    pub(super) fn before_spool() -> Self {
        Self { timeout: BEFORE_SPOOL, has_spool: true, ..Self::default() }
    }

    /// With the time for one attempt at least: a receiver that answers slowly is not down.
    pub(super) fn for_attempts_of(self, timeout: Duration) -> Self {
        let least = timeout.saturating_add(Duration::from_secs(1)).min(MAX_TIME);
        Self { timeout: self.timeout.max(least), attempt: timeout, ..self }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            multiplier: 1.6,
            cap: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            attempt: ATTEMPT_TIMEOUT,
            has_spool: false,
            max_timeout: MAX_TIME,
        }
    }
}

/// The retries of a block with the Collector's keys.
pub(super) fn retry(
    mapping: &Mapping<'_>,
    defaults: Retry,
    builder: TransportBuilder,
) -> TransportBuilder {
    let time = |key: &str| duration(&mapping.get(key), MIN_TIME..=MAX_TIME);
    let multiplier = mapping.get("multiplier");
    let multiplier = if multiplier.has_value() { multiplier.number(1.0..=10.0) } else { None };
    let policy = RetryPolicy::default()
        .with_initial(time("initial_interval").unwrap_or(defaults.initial))
        .with_factor(multiplier.unwrap_or(defaults.multiplier))
        .with_cap(time("max_interval").unwrap_or(defaults.cap));
    // 0 is no limit, as in the Collector.
    let field = mapping.get("max_elapsed_time");
    let timeout = match duration(&field, Duration::ZERO..=MAX_TIME) {
        Some(timeout) if timeout.is_zero() || timeout > defaults.max_timeout => {
            let most = defaults.max_timeout.max(defaults.timeout);
            if most < MAX_TIME {
                field.warning(format!(
                    "{most:?} is used: the Collector stores each request at once, and the node those that no receiver accepts for this time"
                ));
                most
            } else {
                if defaults.has_spool {
                    field.warning("requests that are tried again stay in memory without end, where a kill loses them: those behind them go to the disk once the queue is full");
                }
                MAX_TIME
            }
        }
        Some(timeout) => {
            if timeout < defaults.attempt {
                field.warning("it ends an attempt before its `timeout`: a receiver that answers later counts as down");
            }
            timeout
        }
        None => defaults.timeout,
    };
    // A spool has its requests meanwhile. Without one, the time that leaves each request an attempt may be a year.
    let builder = match defaults.has_spool || timeout > MAX_THROTTLE {
        true => builder.with_max_throttle(MAX_THROTTLE),
        false => builder,
    };
    builder.with_retry(policy).with_request_timeout(timeout)
}

/// The reason why requests to peers have no [`Retry::timeout`].
pub(super) const UNTIL_ANSWERED: &str = "a request is repeated until a peer has it";
/// The default of `timeout`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for which a request in front of a spool is tried from memory.
pub(super) const BEFORE_SPOOL: Duration = Duration::from_secs(5);
/// The longest time for which a destination can ask for patience.
const MAX_THROTTLE: Duration = Duration::from_secs(300);
const PROTOCOLS: &[(&str, Protocol)] =
    &[("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf)];
const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
const CLIENT_TLS_KEYS: &[&str] = &["insecure", "ca_file", "cert_file", "key_file"];
pub(super) const RETRY_KEYS: &[&str] =
    &["initial_interval", "multiplier", "max_interval", "max_elapsed_time"];
pub(super) const KEYS: &[&str] = &[
    "endpoint",
    "protocol",
    "compression",
    "compression_level",
    "headers",
    "tls",
    "timeout",
    "retry",
];
pub(super) const PEER_KEYS: &[&str] =
    &["protocol", "compression", "compression_level", "headers", "tls", "timeout", "retry"];
