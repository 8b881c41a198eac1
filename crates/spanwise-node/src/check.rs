//! `spanwise-node check`: the work of a node with a file, or all mistakes of the file.

use crate::config::{ConfigError, MAX_TIME};
use crate::memory::Shares;
use crate::settings::{
    AdminSettings, DestinationSettings, GatewaySettings, MemoryLimit, NodeSettings, Processor,
    ReceiverSettings, Resolver, Target,
};
use spanwise_admin::__private::Json;
use spanwise_config::{Problem, Read};
use spanwise_transport::TransportBuilder;
use std::fmt::Write as _;
use std::path::Path;

/// The text of a check: lines, or one object of JSON. Headers and tokens are masked.
pub(crate) fn text(
    file: &Path,
    checked: &Result<Read<NodeSettings>, ConfigError>,
    json: bool,
) -> String {
    let (problems, warnings, parts): (Vec<&Problem>, &[Problem], _) = match checked {
        Ok(read) => (Vec::new(), &read.warnings, parts(&read.value)),
        Err(error) => (error.problems().iter().collect(), &[], Vec::new()),
    };
    if json {
        return as_json(&problems, warnings, &parts);
    }
    let mut text = match checked {
        Ok(_) => format!("{}: it can be used\n", file.display()),
        Err(error) => format!("{error}\n"),
    };
    for warning in warnings {
        let _infallible = writeln!(text, "warning: {warning}");
    }
    for (part, description) in parts {
        let _infallible = writeln!(text, "{part:<12} {description}");
    }
    text
}

/// The parts of a node, in the order in which requests pass them.
fn parts(node: &NodeSettings) -> Vec<(&'static str, String)> {
    let mut parts = vec![("role", node.role.name().to_owned()), ("memory", memory(node.memory))];
    parts.extend(node.receivers.iter().map(|it| ("receiver", receiver(it, node))));
    parts.extend(node.processors.iter().map(|it| ("processor", processor(it))));
    if let Some(gateway) = &node.gateway {
        parts.push(("peers", peers(gateway, node)));
    }
    if let Some(tail) = &node.tail_sampling {
        let (policies, rules) = (tail.policies.len(), tail.rules.len());
        let wait = tail.decision_wait;
        parts.push((
            "tail",
            format!("{policies} policies, {rules} rules, decisions after {wait:?}"),
        ));
    }
    parts.extend(node.destinations.iter().map(|it| ("destination", destination(it, node))));
    parts.extend(node.state_directory.iter().map(|it| ("state", it.display().to_string())));
    if let Some(AdminSettings { address, .. }) = &node.admin {
        parts.push(("admin", format!("{address}: /healthz, /readyz, /metrics and the live page")));
    }
    parts.push(("shutdown", format!("within {:?}", node.shutdown_timeout)));
    parts
}

fn memory(limit: MemoryLimit) -> String {
    match limit {
        MemoryLimit::Bytes(bytes) => size(bytes as u64),
        MemoryLimit::Share(share) => {
            format!("{} % of the memory of the container or the machine", share * 100.0)
        }
    }
}

fn receiver(receiver: &ReceiverSettings, node: &NodeSettings) -> String {
    let mut text = match &receiver.unix_socket {
        Some(path) => format!("unix:{}", path.display()),
        None => receiver.address.to_string(),
    };
    let client_ca = receiver.tls.as_ref().and_then(|tls| tls.client_ca_file.as_ref());
    text.push_str(match (&receiver.tls, client_ca) {
        (None, _) => ", plain text",
        (Some(_), None) => ", TLS",
        (Some(_), Some(_)) => ", TLS with client certificates",
    });
    if receiver.bearer_token.is_some() {
        text.push_str(", bearer token [redacted]");
    }
    if receiver.is_for_peers {
        text.push_str(", for peers");
    }
    let bytes = receiver.max_request_bytes;
    let _infallible = match max_request_bytes(node, bytes) {
        Some(less) if less < bytes => write!(
            text,
            ", requests of at most {} on this machine: the receiver's memory must hold two, and the file has {}",
            size(less as u64),
            size(bytes as u64)
        ),
        _ => write!(text, ", requests of at most {}", size(bytes as u64)),
    };
    if let Some(age) = receiver.max_connection_age {
        let _infallible = write!(text, ", connections of at most {age:?}");
    }
    text
}

/// The most bytes of a request by the memory of this machine, if it is known.
fn max_request_bytes(node: &NodeSettings, bytes: usize) -> Option<usize> {
    Some(shares(node)?.max_request_bytes(bytes))
}

/// The shares of the memory of this machine, if it is known.
fn shares(node: &NodeSettings) -> Option<Shares> {
    let tail_bytes = node.tail_sampling.as_ref().map(|tail| tail.max_memory_bytes);
    Shares::new(node.memory, node.receivers.len(), tail_bytes).ok()
}

fn processor(processor: &Processor) -> String {
    match processor {
        Processor::Redact(redactor) => format!("redaction with {} rules", redactor.counts().len()),
        Processor::Filter(_) => "filter".to_owned(),
        Processor::Probabilistic(config) => {
            format!("probabilistic sampler, {} %", config.sampling_percentage)
        }
    }
}

fn peers(gateway: &GatewaySettings, node: &NodeSettings) -> String {
    let mut text = match &gateway.resolver {
        Resolver::Static(hosts) => hosts.join(", "),
        Resolver::Dns { hostname, interval, .. } => format!("{hostname} by DNS every {interval:?}"),
        Resolver::File { path, interval } => format!("{} every {interval:?}", path.display()),
    };
    let _infallible = write!(text, "; ring {:?}", gateway.ring);
    if let Some(own) = &gateway.own_name {
        let _infallible = write!(text, "; this node is {own}");
    }
    text.push_str(if gateway.uses_tls { "; TLS" } else { "; plain text" });
    text.push_str(&changes(&gateway.transport));
    let queue = gateway.queue_bytes.or_else(|| shares(node).map(|shares| shares.requests / 2));
    if let Some(bytes) = queue {
        let _infallible = write!(text, "; queue of each {}", size(bytes as u64));
    }
    let (wait, unreachable) = (gateway.decision_wait, gateway.unreachable_timeout);
    let _infallible = write!(text, "; decision wait {wait:?}; unreachable after {unreachable:?}");
    text
}

fn destination(destination: &DestinationSettings, node: &NodeSettings) -> String {
    let mut text = format!("{}: ", destination.name);
    match &destination.target {
        Target::Otlp(builder) => {
            let _infallible = write!(text, "{}{}", builder.__destination(), changes(builder));
        }
        Target::File { path, max_bytes } => {
            let bytes = size(max_bytes.unwrap_or(100 << 20));
            let _infallible = write!(text, "file {}, at most {bytes}", path.display());
        }
        Target::Debug => text.push_str("the standard output"),
    }
    let of_requests = shares(node).map(|shares| shares.requests / 2);
    let _infallible = match destination.queue_bytes.or(of_requests) {
        Some(bytes) => write!(text, "; queue {}", size(bytes as u64)),
        None => write!(text, "; queue a half of the memory of requests"),
    };
    if let Some(spool) = &destination.spool {
        let (directory, bytes) = (spool.directory.display(), size(spool.settings.max_bytes));
        let age = spool.settings.max_age;
        let _infallible = write!(text, "; spool {directory}, {bytes}, {age:?}");
    }
    text
}

/// The settings that are no defaults.
fn changes(builder: &TransportBuilder) -> String {
    let changes = TransportBuilder::default().__changes(builder);
    let shown = changes.into_iter().filter(|(setting, ..)| !UNSHOWN.contains(setting));
    let text = |(setting, _, value): (&str, String, String)| match setting {
        "with_export_timeout" if value == format!("{MAX_TIME:?}") => {
            "; retries without end".to_owned()
        }
        _ => format!("; {} {value}", setting.trim_start_matches("with_").replace('_', " ")),
    };
    shown.map(text).collect()
}

/// The endpoint has been shown; the others have many numbers.
const UNSHOWN: &[&str] = &["with_endpoint", "with_retry", "with_max_throttle", "with_channels"];

/// Bytes with a unit.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{bytes} bytes"),
        bytes if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

fn as_json(problems: &[&Problem], warnings: &[Problem], parts: &[(&str, String)]) -> String {
    let mut json = Json::new();
    json.object(|json| {
        json.key("problems").array(|json| problems.iter().for_each(|it| problem(json, it)));
        json.key("warnings").array(|json| warnings.iter().for_each(|it| problem(json, it)));
        json.key("parts").array(|json| {
            for (part, description) in parts {
                json.object(|json| {
                    json.key("part").string(part);
                    json.key("description").string(description);
                });
            }
        });
    });
    let mut text = json.finish();
    text.push('\n');
    text
}

fn problem(json: &mut Json, problem: &Problem) {
    let position = problem.position();
    json.object(|json| {
        json.key("file").string(problem.file());
        json.key("line").integer(position.line as u64);
        json.key("column").integer(position.column as u64);
        json.key("path").string(problem.path());
        json.key("message").string(problem.message());
    });
}
