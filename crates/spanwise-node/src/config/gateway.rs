//! The section `gateway`.

use super::context::Context;
use super::values::{MAX_TIME, MIN_TIME, duration, mib, path, text, whole};
use super::{otlp, receivers};
use crate::gateway::check_name;
use crate::settings::{GatewaySettings, ReceiverSettings, Resolver, Role};
use spanwise_config::{Field, Mapping};
use spanwise_transport::{Ring, RingError, RingVersion};
use std::time::Duration;

/// The peers, and the receiver of their requests.
pub(super) fn read(
    field: &Field<'_>,
    role: Role,
    context: &Context<'_>,
) -> (Option<GatewaySettings>, Option<ReceiverSettings>) {
    let mapping = field.mapping(KEYS);
    let ring = mapping.get("ring").choice(RINGS).unwrap_or_default();
    let resolver = resolver(&mapping.get("resolver").required(), ring);
    let (transport, uses_tls) = otlp::of_peers(&mapping.get("protocol"), context);
    let own_name = own_name(&mapping, role, resolver.as_ref());
    let receiver = peer_receiver(&mapping.get("peer_receiver"), role, context);
    let queue_bytes = mib(&mapping.get("queue_mib"));
    let decision_wait = duration(&mapping.get("decision_wait"), MIN_TIME..=MAX_TIME);
    let unreachable = mapping.get("unreachable_timeout");
    let attempt = otlp::attempt_timeout(&mapping.get("protocol").mapping(otlp::PEER_KEYS));
    let unreachable_timeout = duration(&unreachable, MIN_UNREACHABLE..=MAX_TIME);
    if unreachable_timeout.is_some_and(|timeout| timeout / 2 < attempt) {
        unreachable.warning(format!(
            "a request has a half of it, which is less than the {attempt:?} of `protocol.timeout`: a peer that answers later counts as one that does not"
        ));
    }
    let gateway = resolver.map(|resolver| {
        let defaults = GatewaySettings::new(resolver, transport);
        GatewaySettings {
            ring,
            own_name,
            uses_tls,
            queue_bytes,
            decision_wait: decision_wait.unwrap_or(defaults.decision_wait),
            unreachable_timeout: unreachable_timeout.unwrap_or(defaults.unreachable_timeout),
            ..defaults
        }
    });
    (gateway, receiver)
}

fn own_name(mapping: &Mapping<'_>, role: Role, resolver: Option<&Resolver>) -> Option<String> {
    let field = mapping.get("own_name");
    if role != Role::Both {
        if field.has_value() {
            field.error("only the role `both` has it: a gateway is none of its peers");
        }
        return None;
    }
    let field = field.required();
    let name = text(&field)?;
    if let Some(Resolver::Static(hostnames)) = resolver
        && !hostnames.iter().any(|known| known == name)
    {
        let known: Vec<&str> = hostnames.iter().map(String::as_str).collect();
        let hint = spanwise_config::hint(name, &known);
        field.error(format!("it is none of `resolver.static.hostnames`{hint}"));
    }
    Some(name.to_owned())
}

/// The receiver of the peers' requests, which the role `both` needs.
fn peer_receiver(field: &Field<'_>, role: Role, context: &Context<'_>) -> Option<ReceiverSettings> {
    match role {
        Role::Both => {
            let field = field.clone().required();
            let receiver = if field.has_value() {
                receivers::one(&field, PEER_RECEIVER, context)
            } else {
                None
            };
            receiver.map(|receiver| ReceiverSettings { is_for_peers: true, ..receiver })
        }
        _ if field.has_value() => {
            field.error("only the role `both` has it: a gateway receives nothing from its peers");
            None
        }
        _ => None,
    }
}

/// The source of the peers, with the keys of the Collector's exporter.
pub(super) fn resolver(field: &Field<'_>, ring: RingVersion) -> Option<Resolver> {
    if !field.has_value() {
        return None;
    }
    let (kind, block) = field.kind(&["static", "dns", "file", "k8s", "aws_cloud_map"])?;
    match kind {
        "static" => {
            let hostnames = block.mapping(&["hostnames"]).get("hostnames").required();
            hosts(&hostnames, ring).map(Resolver::Static)
        }
        "dns" => {
            let mapping = block.mapping(&["hostname", "port", "interval", "timeout"]);
            let time = |key: &str, default: u64| {
                let given = duration(&mapping.get(key), Duration::from_millis(100)..=MAX_TIME);
                given.unwrap_or(Duration::from_secs(default))
            };
            let (interval, timeout) = (time("interval", 5), time("timeout", 1));
            let port = port(&mapping.get("port"));
            let hostname = text(&mapping.get("hostname").required())?.to_owned();
            Some(Resolver::Dns { hostname, port, interval, timeout })
        }
        "file" => {
            let mapping = block.mapping(&["path", "interval"]);
            let least = Duration::from_millis(100);
            let interval = duration(&mapping.get("interval"), least..=MAX_TIME);
            let path = path(&mapping.get("path").required())?;
            Some(Resolver::File { path, interval: interval.unwrap_or(Duration::from_secs(5)) })
        }
        "k8s" => {
            block.error("it is not supported: the node asks no API server; `dns` with the name of a headless service has the same addresses");
            None
        }
        _ => {
            block.error("it is not supported; `dns` or `file` has the addresses");
            None
        }
    }
}

/// A number, or the same as a text, which the Collector's key has.
fn port(field: &Field<'_>) -> Option<u16> {
    if let Some(spanwise_config::Scalar::String(text)) = field.any_scalar() {
        let port = text.parse().ok().filter(|port| *port > 0);
        return port.or_else(|| field.expected("a port from 1 to 65535"));
    }
    whole(field, 1..=65_535).map(|port| port as u16)
}

fn hosts(field: &Field<'_>, ring: RingVersion) -> Option<Vec<String>> {
    let mut hosts = Vec::new();
    let mut is_valid = true;
    for element in field.sequence() {
        let Some(host) = text(&element) else {
            is_valid = false;
            if !element.has_value() {
                element.error("a host is expected, not nothing");
            }
            continue;
        };
        if let Err(expected) = check_name(host) {
            element.error(expected);
            is_valid = false;
        }
        hosts.push(host.to_owned());
    }
    if !is_valid || !field.is_sequence() {
        return None;
    }
    match Ring::new(ring, hosts.iter().cloned()) {
        Ok(_) => Some(hosts),
        Err(error) => {
            let message = match error {
                RingError::Empty => "at least one host is expected".to_owned(),
                error => error.to_string(),
            };
            field.error(message);
            None
        }
    }
}

/// A shorter one moves the traces of a peer that has restarted.
const MIN_UNREACHABLE: Duration = Duration::from_secs(1);
const PEER_RECEIVER: &str = "gateway.peer_receiver";
pub(super) const RINGS: &[(&str, RingVersion)] =
    &[("v1", RingVersion::V1), ("v2", RingVersion::V2), ("v3", RingVersion::V3)];
pub(super) const KEYS: &[&str] = &[
    "ring",
    "resolver",
    "own_name",
    "peer_receiver",
    "protocol",
    "queue_mib",
    "decision_wait",
    "unreachable_timeout",
];
