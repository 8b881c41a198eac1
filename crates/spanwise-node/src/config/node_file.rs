//! A file of our own.

use super::context::Context;
use super::values::{MAX_TIME, address, duration, path, text};
use super::{destinations, gateway, memory, receivers};
use crate::settings::{
    AdminSettings, DestinationSettings, LogFormat, NodeSettings, Processor, ReceiverSettings, Role,
};
use spanwise_config::{Field, Mapping};
use spanwise_redact::{Redactor, RedactorBuilder};
use spanwise_tail::{ProbabilisticSamplerConfig, SpanFilter};
use std::path::PathBuf;
use std::time::Duration;

/// Reads the file. The value of a file with mistakes, which have been reported, is of no use.
pub(super) fn read(root: &Field<'_>, context: &Context<'_>) -> NodeSettings {
    let mapping = root.mapping(KEYS);
    let in_file = mapping.get("role").choice(Role::NAMES);
    let role = context.options.role.or(in_file).unwrap_or_default();
    let mut receivers = receivers::read(&mapping.get("receivers"), context);
    let field = mapping.get("gateway");
    let has_gateway = field.has_value() && role != Role::Sampler;
    let (mut gateway, peer_receiver) = match has_gateway {
        true => gateway::read(&field, role, context),
        false => (None, None),
    };
    let has_wait = has_gateway && field.mapping(gateway::KEYS).get("decision_wait").has_value();
    if let Some(receiver) = peer_receiver {
        if receivers.iter().any(|known| known.name == receiver.name) {
            let field = field.mapping(gateway::KEYS).get("peer_receiver");
            field.mapping(receivers::KEYS).get("name").error("another receiver has the same name");
        }
        receivers.push(receiver);
    }
    check_addresses(&mapping.get("receivers"), &receivers);
    let admin = admin(&mapping.get("admin"), &receivers);
    let tail_sampling = mapping.get("tail_sampling");
    let destinations_field = mapping.get("destinations");
    let destinations = destinations::read(&destinations_field, context);
    let tail = tail_sampling.exists().then(|| super::tail_sampling::read(&tail_sampling));
    match role {
        Role::Gateway => {
            if !field.has_value() {
                field.error("the role `gateway` needs it: it names the peers");
            }
            for unused in [&tail_sampling, &destinations_field] {
                if unused.has_value() {
                    unused.warning(
                        "it has no effect with the role `gateway`: its peers sample and send",
                    );
                }
            }
        }
        Role::Sampler if field.has_value() => {
            field.warning("it has no effect with the role `sampler`");
        }
        _ => {}
    }
    if role != Role::Gateway {
        check_destinations(&destinations_field, &destinations);
    }
    if let (Some(gateway), Some(tail)) = (&mut gateway, &tail)
        && !has_wait
    {
        // The samplers behind the peers have the policies of this file.
        gateway.decision_wait = tail.decision_wait;
    }
    let is_gateway = role == Role::Gateway;
    NodeSettings {
        role,
        memory: memory::read(&mapping.get("memory"), context),
        receivers,
        processors: processors(&mapping),
        tail_sampling: tail.filter(|_| !is_gateway),
        gateway,
        destinations: if is_gateway { Vec::new() } else { destinations },
        admin,
        state_directory: state_directory(&mapping.get("state"), context),
        shutdown_timeout: duration(&mapping.get("shutdown_timeout"), Duration::ZERO..=MAX_TIME)
            .unwrap_or(Duration::from_secs(10)),
        reload_interval: duration(
            &mapping.get("reload_interval"),
            Duration::from_secs(1)..=MAX_TIME,
        ),
        logs: mapping
            .get("logs")
            .mapping(&["format"])
            .get("format")
            .choice(LOG_FORMATS)
            .unwrap_or_default(),
    }
}

fn state_directory(field: &Field<'_>, context: &Context<'_>) -> Option<PathBuf> {
    let field = field.mapping(&["directory"]).get("directory");
    let directory = path(&field)?;
    context.writes(&field, &directory);
    Some(directory)
}

fn check_destinations(field: &Field<'_>, destinations: &[DestinationSettings]) {
    // Those with a mistake have been reported.
    let is_empty = !field.has_value() || field.is_sequence() && field.sequence().is_empty();
    if destinations.is_empty() && is_empty {
        field.error("at least one destination is required");
    }
}

/// Two receivers of one address, which the second could not bind.
pub(super) fn check_addresses(section: &Field<'_>, receivers: &[ReceiverSettings]) {
    let is_same =
        |a: &ReceiverSettings, b: &ReceiverSettings| match (&a.unix_socket, &b.unix_socket) {
            (None, None) => a.address == b.address && a.address.port() != 0,
            (a, b) => a == b,
        };
    for (index, receiver) in receivers.iter().enumerate() {
        let Some(earlier) = receivers.get(..index) else { continue };
        if earlier.iter().any(|earlier| is_same(earlier, receiver)) {
            let place = match &receiver.unix_socket {
                Some(path) => path.display().to_string(),
                None => receiver.address.to_string(),
            };
            section
                .error(format!("two receivers have the address {place}; each takes gRPC and HTTP"));
        }
    }
}

/// The section `admin`.
fn admin(field: &Field<'_>, receivers: &[ReceiverSettings]) -> Option<AdminSettings> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(ADMIN_KEYS);
    let allowed_hosts = allowed_hosts(&mapping.get("allowed_hosts"));
    let endpoint = mapping.get("endpoint").required();
    let address = address(&endpoint)?;
    let is_taken = |it: &ReceiverSettings| it.unix_socket.is_none() && it.address == address;
    if address.port() != 0 && receivers.iter().any(is_taken) {
        endpoint.error("a receiver has the same address: choose another port");
    }
    Some(AdminSettings { address, allowed_hosts })
}

fn allowed_hosts(field: &Field<'_>) -> Vec<String> {
    let is_name = |name: &str| {
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        name.len() <= 253 && name.bytes().all(is_letter)
    };
    let mut hosts = Vec::new();
    for element in field.sequence() {
        match text(&element) {
            Some(name) if is_name(name) => hosts.push(name.to_owned()),
            Some(_) => element.error("a name without a port is expected, such as `node.example`"),
            None => {}
        }
    }
    if hosts.len() > MAX_ALLOWED_HOSTS {
        field.error(format!("accepted are at most {MAX_ALLOWED_HOSTS} names"));
    }
    hosts
}

/// The steps in the order of the file.
fn processors(root: &Mapping<'_>) -> Vec<Processor> {
    let mut found = Vec::new();
    let redaction = root.get("redaction");
    if redaction.exists() {
        let builder = RedactorBuilder::from_field(&redaction);
        found.extend(redactor(&redaction, builder).map(|it| (redaction.key_position(), it)));
    }
    let filter = root.get("filter");
    if filter.exists() {
        let processor = Processor::Filter(Box::new(SpanFilter::from_field(&filter)));
        found.push((filter.key_position(), processor));
    }
    let sampler = root.get("probabilistic_sampler");
    if sampler.exists() {
        let config = ProbabilisticSamplerConfig::from_field(&sampler);
        found.push((sampler.key_position(), Processor::Probabilistic(config)));
    }
    found.sort_by_key(|(position, _)| *position);
    found.into_iter().map(|(_, processor)| processor).collect()
}

/// A compiled redactor. `None` after an error: that of a rule has been reported at its place.
pub(super) fn redactor(field: &Field<'_>, builder: RedactorBuilder) -> Option<Processor> {
    let built: Result<Redactor, _> = builder.build();
    match built {
        Ok(redactor) => Some(Processor::Redact(Box::new(redactor))),
        Err(error) => {
            field.error(error.to_string());
            None
        }
    }
}

const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
pub(super) const ADMIN_KEYS: &[&str] = &["endpoint", "allowed_hosts"];
/// The most that the endpoint accepts.
const MAX_ALLOWED_HOSTS: usize = 16;
pub(super) const KEYS: &[&str] = &[
    "role",
    "memory",
    "receivers",
    "redaction",
    "filter",
    "probabilistic_sampler",
    "state",
    "tail_sampling",
    "gateway",
    "destinations",
    "admin",
    "shutdown_timeout",
    "reload_interval",
    "logs",
];
