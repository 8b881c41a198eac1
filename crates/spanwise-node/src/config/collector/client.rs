//! The settings of requests of the exporters `otlp`, `otlp_http` and `load_balancing`.

use super::extensions::{Extensions, is_enabled};
use super::queue;
use super::{auth, tls};
use crate::config::otlp::{BEFORE_SPOOL, Retry, compression_level, endpoint, headers, retry};
use crate::config::values::{
    MAX_TIME, MIN_TIME, duration, flag, not_supported, not_supported_if_true, text, without_effect,
};
use crate::settings::Secret;
use spanwise_config::{Field, Mapping};
use spanwise_transport::{
    Channels, Compression, Endpoint, Headers, KeepAlive, Protocol, Proxy, TransportBuilder,
};
use std::time::Duration;

/// The exporter `otlp`, also named `otlp_grpc`.
pub(super) fn grpc(mapping: &Mapping<'_>, extensions: &Extensions<'_>) -> Option<TransportBuilder> {
    let (builder, is_insecure) = grpc_settings(mapping, extensions);
    let field = mapping.get("endpoint").required();
    let url = field.string().unwrap_or_default().trim();
    if url.starts_with("http://") && !is_insecure {
        field.error("the Collector uses TLS for it in spite of `http`: write `tls: {insecure: true}`, or `https://`");
        return None;
    }
    if url.starts_with("dns:") || url.starts_with("passthrough:") {
        field.error("gRPC's names with a scheme are not supported: write `host:port`");
        return None;
    }
    Some(builder.with_endpoint(endpoint(&field, Protocol::Grpc, is_insecure)?))
}

/// The settings of gRPC without an endpoint, and whether requests are plain text.
pub(super) fn grpc_settings(
    mapping: &Mapping<'_>,
    extensions: &Extensions<'_>,
) -> (TransportBuilder, bool) {
    let builder =
        TransportBuilder::default().with_protocol(Protocol::Grpc).with_settings_in_file(true);
    let builder = common(mapping, builder, Duration::from_secs(5), extensions);
    let balancer = mapping.get("balancer_name");
    if balancer.string().is_some_and(|name| !["round_robin", "pick_first", ""].contains(&name)) {
        balancer.error("it is not supported: each connection is to one address of the name");
    }
    not_supported(mapping, &["authority"], "requests have the authority of their endpoint");
    without_effect(
        mapping,
        &["wait_for_ready"],
        "requests wait for a connection until their timeout",
    );
    let keep_alive = mapping.get("keepalive");
    let keys = keep_alive.mapping(&["time", "timeout", "permit_without_stream"]);
    let day = Duration::from_secs(86_400);
    let time = |key: &str| duration(&keys.get(key), MIN_TIME..=day);
    let mut pings = KeepAlive::default().with_while_idle(flag(&keys, "permit_without_stream"));
    if let Some(interval) = time("time") {
        pings = pings.with_interval(interval);
    }
    if let Some(timeout) = time("timeout") {
        pings = pings.with_timeout(timeout);
    }
    let insecure = flag(&mapping.get("tls").mapping(tls::CLIENT_KEYS), "insecure");
    (builder.with_channels(Channels::default().with_keep_alive(pings)), insecure)
}

/// The exporter `otlp_http`, also named `otlphttp`.
pub(super) fn http(mapping: &Mapping<'_>, extensions: &Extensions<'_>) -> Option<TransportBuilder> {
    let encodings = [("proto", Protocol::HttpProtobuf), ("json", Protocol::HttpJson)];
    let protocol = mapping.get("encoding").choice(&encodings).unwrap_or(Protocol::HttpProtobuf);
    let builder = TransportBuilder::default().with_protocol(protocol).with_settings_in_file(true);
    let mut builder = common(mapping, builder, Duration::from_secs(30), extensions);
    let reason = "the node sends traces alone";
    without_effect(mapping, &["metrics_endpoint", "logs_endpoint", "profiles_endpoint"], reason);
    let reason =
        "the node has connections of its own number: `sending_queue.num_consumers` bounds it";
    without_effect(mapping, CONNECTION_KEYS, reason);
    not_supported_if_true(mapping, "disable_keep_alives", "connections are used again");
    not_supported(mapping, &["cookies"], "answers set nothing");
    let proxy = mapping.get("proxy_url").secret();
    if let Some(url) = proxy.string().filter(|url| !url.is_empty()) {
        match Proxy::parse("proxy_url", url) {
            Ok(parsed) => builder = builder.with_proxy(parsed),
            // Its URL may have credentials.
            Err(_) => proxy.error("it is no URL of a proxy; accepted is http://host:port, with user:password@ if need be"),
        }
    }
    let (base, own) = (mapping.get("endpoint"), mapping.get("traces_endpoint"));
    let endpoint = if own.has_value() {
        let parsed = Endpoint::parse("traces_endpoint", text(&own)?);
        parsed
            .map_err(|error| {
                own.error(match own.is_substituted() {
                    true => error.problem().to_string(),
                    false => error.to_string(),
                })
            })
            .ok()
    } else {
        endpoint(&base.required(), protocol, false)
    }?;
    Some(builder.with_endpoint(endpoint))
}

/// The settings that both protocols have.
fn common(
    mapping: &Mapping<'_>,
    builder: TransportBuilder,
    timeout: Duration,
    extensions: &Extensions<'_>,
) -> TransportBuilder {
    not_supported(mapping, &["middlewares"], "the node runs no code of others");
    let reason = "the node has buffers of its own";
    without_effect(mapping, &["read_buffer_size", "write_buffer_size"], reason);
    let timeout = match duration(&mapping.get("timeout"), Duration::ZERO..=MAX_TIME) {
        // No limit.
        Some(Duration::ZERO) => MAX_TIME,
        given => given.unwrap_or(timeout),
    };
    let builder = builder.with_attempt_timeout(timeout);
    let builder = compressed(mapping, builder);
    let builder = tls::client(&mapping.get("tls"), builder);
    let token = auth::read(&mapping.get("auth"), extensions);
    let headers = headers(&mapping.get("headers"));
    let builder = builder.with_headers(authenticated(mapping, headers, token));
    let has_storage = queue::has_storage(mapping);
    retried(&mapping.get("retry_on_failure"), (timeout, has_storage), builder)
}

fn authenticated(mapping: &Mapping<'_>, headers: Headers, token: Option<Secret>) -> Headers {
    let Some(Secret(token)) = token else { return headers };
    let field = mapping.get("auth");
    if headers.names().any(|name| name == "authorization") {
        field.error("`headers` has `authorization` too: use one of them");
        return headers;
    }
    match headers.clone().with("authorization", &format!("Bearer {token}")) {
        Ok(headers) => headers,
        Err(error) => {
            field.error(error.to_string());
            headers
        }
    }
}

/// gzip is the Collector's default.
fn compressed(mapping: &Mapping<'_>, builder: TransportBuilder) -> TransportBuilder {
    let field = mapping.get("compression");
    let compression = match field.string() {
        Some(other @ ("snappy" | "x-snappy-framed" | "zlib" | "deflate" | "lz4")) => {
            field
                .error(format!("`{other}` is not supported; accepted is `none`, `gzip` or `zstd`"));
            Compression::None
        }
        Some("") => Compression::None,
        _ => field.choice(COMPRESSIONS).unwrap_or(Compression::Gzip),
    };
    let builder = builder.with_compression(compression);
    let level = mapping.get("compression_params").mapping(&["level"]).get("level");
    match compression_level(&level, compression) {
        Some(level) => builder.with_compression_level(level),
        None => builder,
    }
}

fn retried(
    field: &Field<'_>,
    (attempt, has_storage): (Duration, bool),
    builder: TransportBuilder,
) -> TransportBuilder {
    let mapping = field.mapping(RETRY_KEYS);
    if !is_enabled(&mapping) {
        mapping.get("enabled").error("it is not supported: what the node accepts it sends until the limit, `max_elapsed_time`, or stores");
    }
    without_effect(&mapping, &["randomization_factor"], "waits are drawn from 0 to their bound");
    let defaults = Retry {
        initial: Duration::from_secs(5),
        multiplier: 1.5,
        cap: Duration::from_secs(30),
        timeout: if has_storage { BEFORE_SPOOL } else { Duration::from_secs(300) },
        attempt,
        has_spool: has_storage,
        max_timeout: if has_storage { BEFORE_SPOOL } else { MAX_TIME },
    };
    retry(&mapping, defaults.for_attempts_of(attempt), builder)
}

const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
const CONNECTION_KEYS: &[&str] = &[
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_conns_per_host",
    "idle_conn_timeout",
    "http2_read_idle_timeout",
    "http2_ping_timeout",
    "force_attempt_http2",
];
pub(super) const RETRY_KEYS: &[&str] = &[
    "enabled",
    "initial_interval",
    "randomization_factor",
    "multiplier",
    "max_interval",
    "max_elapsed_time",
];
pub(super) const GRPC_KEYS: &[&str] = &[
    "endpoint",
    "tls",
    "headers",
    "compression",
    "compression_params",
    "timeout",
    "keepalive",
    "balancer_name",
    "authority",
    "wait_for_ready",
    "read_buffer_size",
    "write_buffer_size",
    "auth",
    "middlewares",
    "retry_on_failure",
    "sending_queue",
    "batcher",
];
pub(super) const HTTP_KEYS: &[&str] = &[
    "endpoint",
    "traces_endpoint",
    "metrics_endpoint",
    "logs_endpoint",
    "profiles_endpoint",
    "encoding",
    "proxy_url",
    "tls",
    "headers",
    "compression",
    "compression_params",
    "timeout",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_conns_per_host",
    "idle_conn_timeout",
    "http2_read_idle_timeout",
    "http2_ping_timeout",
    "force_attempt_http2",
    "disable_keep_alives",
    "cookies",
    "read_buffer_size",
    "write_buffer_size",
    "auth",
    "middlewares",
    "retry_on_failure",
    "sending_queue",
    "batcher",
];
