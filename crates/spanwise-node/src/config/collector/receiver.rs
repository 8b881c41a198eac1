//! The receiver `otlp`.

use super::extensions::Extensions;
use super::{auth, tls};
use crate::config::context::Context;
use crate::config::exposed;
use crate::config::receivers::{MIN_AGE, UNUSED};
use crate::config::values::{
    MAX_TIME, address, duration, mib, not_supported, path, whole, without_effect,
};
use crate::settings::ReceiverSettings;
use spanwise_config::{Field, Mapping};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A receiver for each protocol.
pub(super) fn read(
    field: &Field<'_>,
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Vec<ReceiverSettings> {
    let protocols = field.mapping(&["protocols"]).get("protocols").required();
    let mapping = protocols.mapping(&["grpc", "http"]);
    let (grpc, http) = (mapping.get("grpc"), mapping.get("http"));
    if protocols.has_value() && !grpc.exists() && !http.exists() {
        protocols.error("at least one of `grpc` and `http` is required");
    }
    let mut receivers = Vec::new();
    if grpc.exists() {
        receivers.extend(of_grpc(&grpc, extensions, context));
    }
    if http.exists() {
        receivers.extend(of_http(&http, extensions, context));
    }
    receivers
}

fn of_grpc(
    field: &Field<'_>,
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Option<ReceiverSettings> {
    let mapping = field.mapping(GRPC_KEYS);
    let reason = "the node has buffers of its own";
    without_effect(&mapping, &["read_buffer_size", "write_buffer_size"], reason);
    let max_connection_age = connection_age(&mapping.get("keepalive"));
    let streams = whole(&mapping.get("max_concurrent_streams"), 0..=1 << 16);
    let max_request_bytes = mib(&mapping.get("max_recv_msg_size_mib"));
    let mut receiver = common(field, &mapping, 4317, (extensions, context))?;
    if let Some(bytes) = max_request_bytes {
        receiver.max_request_bytes = bytes;
    }
    // 0 is the default of Go.
    if let Some(streams) = streams.filter(|streams| *streams > 0) {
        receiver.max_concurrent_streams = streams as u32;
    }
    receiver.max_connection_age = max_connection_age;
    Some(receiver)
}

/// The only one of the keys of `keepalive` that the node has.
fn connection_age(field: &Field<'_>) -> Option<Duration> {
    let keep_alive = field.mapping(&["server_parameters", "enforcement_policy"]);
    let reason = "the node has limits of its own for pings";
    without_effect(&keep_alive, &["enforcement_policy"], reason);
    let server = keep_alive.get("server_parameters").mapping(SERVER_PARAMETERS);
    without_effect(&server, &["time", "timeout"], "the node pings its clients every 20 s");
    let reason = "a connection without requests ends after 60 s";
    without_effect(&server, &["max_connection_idle"], reason);
    let reason = "open requests of an old connection have 30 s";
    without_effect(&server, &["max_connection_age_grace"], reason);
    let field = server.get("max_connection_age");
    // 0 is the default of Go.
    let age = duration(&field, Duration::ZERO..=MAX_TIME).filter(|age| !age.is_zero())?;
    if age < MIN_AGE {
        field.warning("it has the effect of 1s, the least age");
    }
    Some(age.max(MIN_AGE))
}

fn of_http(
    field: &Field<'_>,
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Option<ReceiverSettings> {
    let mapping = field.mapping(HTTP_KEYS);
    not_supported(&mapping, &["cors"], "browsers cannot export to the node");
    not_supported(&mapping, &["response_headers"], "answers have the headers of OTLP alone");
    let reason = "the node has timeouts of its own for headers, bodies and idle connections";
    without_effect(&mapping, TIMEOUTS, reason);
    let compressions = mapping.get("compression_algorithms");
    if compressions.has_value() {
        compressions.warning("it has no effect: gzip and zstd are accepted");
    }
    let url_path = mapping.get("traces_url_path");
    if url_path.string().is_some_and(|path| path.trim_start_matches('/') != "v1/traces") {
        url_path.error("it is not supported: accepted is `/v1/traces`");
    }
    let reason = "the node receives traces alone";
    without_effect(&mapping, &["metrics_url_path", "logs_url_path", "profiles_url_path"], reason);
    let max_body = whole(&mapping.get("max_request_body_size"), 0..=1 << 40);
    let mut receiver = common(field, &mapping, 4318, (extensions, context))?;
    // 0 is the default.
    let bytes = max_body.filter(|bytes| *bytes > 0).and_then(|bytes| usize::try_from(bytes).ok());
    receiver.max_request_bytes = bytes.unwrap_or(20 << 20);
    Some(receiver)
}

/// The keys of both protocols.
fn common(
    field: &Field<'_>,
    mapping: &Mapping<'_>,
    port: u16,
    (extensions, context): (&Extensions<'_>, &Context<'_>),
) -> Option<ReceiverSettings> {
    not_supported(mapping, &["middlewares"], "the node runs no code of others");
    without_effect(mapping, &["include_metadata"], "no component uses headers of requests");
    let tls = tls::server(&mapping.get("tls"), context);
    let auth = mapping.get("auth");
    let bearer_token = auth::read(&auth, extensions);
    let endpoint = mapping.get("endpoint");
    let transport = mapping.get("transport").choice(&[("tcp", false), ("unix", true)]);
    let default = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let (address, unix_socket) = match transport {
        Some(true) => {
            let path = path(&endpoint.clone().required());
            let path = path.filter(|path| {
                if !path.is_absolute() {
                    endpoint.error("an absolute path is expected");
                }
                path.is_absolute()
            });
            (UNUSED, Some(path?))
        }
        _ if endpoint.has_value() => (address(&endpoint)?, None),
        _ => (default, None),
    };
    let receiver = ReceiverSettings {
        unix_socket,
        bearer_token,
        tls,
        ..ReceiverSettings::new(field.path(), address)
    };
    // Blocks with a mistake have been reported.
    let has_mistake = receiver.tls.is_none() && mapping.get("tls").has_value()
        || receiver.bearer_token.is_none() && auth.has_value();
    if !has_mistake {
        exposed::check(&endpoint, &receiver, false, context);
    }
    Some(receiver)
}

const GRPC_KEYS: &[&str] = &[
    "endpoint",
    "transport",
    "tls",
    "auth",
    "max_recv_msg_size_mib",
    "max_concurrent_streams",
    "read_buffer_size",
    "write_buffer_size",
    "keepalive",
    "include_metadata",
    "middlewares",
];
const SERVER_PARAMETERS: &[&str] =
    &["max_connection_idle", "max_connection_age", "max_connection_age_grace", "time", "timeout"];
const HTTP_KEYS: &[&str] = &[
    "endpoint",
    "transport",
    "tls",
    "auth",
    "max_request_body_size",
    "cors",
    "response_headers",
    "compression_algorithms",
    "traces_url_path",
    "metrics_url_path",
    "logs_url_path",
    "profiles_url_path",
    "read_timeout",
    "read_header_timeout",
    "write_timeout",
    "idle_timeout",
    "keep_alives_enabled",
    "include_metadata",
    "middlewares",
];
const TIMEOUTS: &[&str] = &[
    "read_timeout",
    "read_header_timeout",
    "write_timeout",
    "idle_timeout",
    "keep_alives_enabled",
];
