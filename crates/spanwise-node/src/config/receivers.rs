//! The section `receivers`.

use super::context::Context;
use super::keys::check_receiver;
use super::values::{MAX_TIME, address, duration, flag, mib, name, path, whole};
use super::{exposed, token};
use crate::settings::{ReceiverSettings, ReceiverTls};
use spanwise_config::Field;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The receivers of a list, or the default ones.
pub(super) fn read(field: &Field<'_>, context: &Context<'_>) -> Vec<ReceiverSettings> {
    if !field.has_value() {
        let defaults = [4317, 4318].iter().enumerate().map(|(index, port)| {
            let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), *port);
            ReceiverSettings::new(place(index), address)
        });
        return defaults.collect();
    }
    let elements = field.sequence();
    if elements.is_empty() && field.is_sequence() {
        field.error("at least one receiver is required; without the key, 127.0.0.1:4317 and 127.0.0.1:4318 are");
    }
    let mut receivers: Vec<ReceiverSettings> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let Some(receiver) = one(element, &place(index), context) else { continue };
        if receivers.iter().any(|known| known.name == receiver.name) {
            element.mapping(KEYS).get("name").error("another receiver has the same name");
        }
        receivers.push(receiver);
    }
    receivers
}

/// A receiver without a name has that of its place in the file.
fn place(index: usize) -> String {
    format!("receivers[{index}]")
}

/// A receiver, unless its address has a mistake, which is reported.
pub(super) fn one(
    field: &Field<'_>,
    place: &str,
    context: &Context<'_>,
) -> Option<ReceiverSettings> {
    let mapping = field.mapping(KEYS);
    let endpoint = mapping.get("endpoint").required();
    let unix_socket = endpoint.string().and_then(|text| text.trim().strip_prefix("unix:"));
    let address = match unix_socket {
        Some(path) if !path.starts_with('/') => {
            endpoint.error("an absolute path is expected, such as `unix:/run/spanwise/otlp.sock`");
            None
        }
        Some(_) => Some(UNUSED),
        None if endpoint.has_value() => address(&endpoint),
        None => None,
    };
    let tls = tls(&mapping.get("tls"), context);
    let bearer_token =
        token::read(mapping.get("bearer_token"), &mapping.get("bearer_token_file"), context);
    let given = name(&mapping.get("name"));
    let defaults = ReceiverSettings::new(given.unwrap_or(place), address.unwrap_or(UNUSED));
    let streams = whole(&mapping.get("max_concurrent_streams"), 1..=1 << 16);
    let receiver = ReceiverSettings {
        unix_socket: unix_socket.map(Into::into),
        tls,
        bearer_token,
        max_request_bytes: mib(&mapping.get("max_request_mib"))
            .unwrap_or(defaults.max_request_bytes),
        max_connections: whole(&mapping.get("max_connections"), 1..=1 << 16)
            .map_or(defaults.max_connections, |count| count as usize),
        max_concurrent_streams: streams
            .map_or(defaults.max_concurrent_streams, |count| count as u32),
        max_connection_age: duration(&mapping.get("max_connection_age"), MIN_AGE..=MAX_TIME),
        ..defaults
    };
    address?;
    // A token with a mistake is one nevertheless.
    let has_mistake = receiver.tls.is_none() && mapping.get("tls").has_value()
        || receiver.bearer_token.is_none()
            && ["bearer_token", "bearer_token_file"].iter().any(|key| mapping.get(key).has_value());
    if !has_mistake {
        exposed::check(&endpoint, &receiver, flag(&mapping, "insecure"), context);
    }
    Some(receiver)
}

fn tls(field: &Field<'_>, context: &Context<'_>) -> Option<ReceiverTls> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(&["cert_file", "key_file", "client_ca_file"]);
    let client_ca_file = path(&mapping.get("client_ca_file"));
    let cert_file = path(&mapping.get("cert_file").required());
    let key_file = path(&mapping.get("key_file").required());
    let files = ReceiverTls { cert_file: cert_file?, key_file: key_file?, client_ca_file };
    check_receiver(&files, &mapping, context);
    Some(files)
}

/// The address of a Unix socket, which has none.
pub(super) const UNUSED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(super) const KEYS: &[&str] = &[
    "name",
    "endpoint",
    "tls",
    "bearer_token",
    "bearer_token_file",
    "insecure",
    "max_request_mib",
    "max_connections",
    "max_concurrent_streams",
    "max_connection_age",
];
/// Shorter, and clients would do little but connect.
pub(super) const MIN_AGE: Duration = Duration::from_secs(1);
