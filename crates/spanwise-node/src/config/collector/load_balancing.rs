//! The exporter `load_balancing`, also named `loadbalancing`.

use super::client::{self, grpc_settings};
use super::extensions::Extensions;
use super::queue::Queue;
use super::tls;
use crate::config::context::Context;
use crate::config::gateway::{RINGS, resolver};
use crate::config::otlp::{UNTIL_ANSWERED, check_peers};
use crate::config::values::{not_supported, without_effect};
use crate::settings::GatewaySettings;
use spanwise_config::Field;

/// The peers. `None` after an error.
pub(super) fn read(
    field: &Field<'_>,
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Option<GatewaySettings> {
    let mapping = field.mapping(KEYS);
    let key = mapping.get("routing_key");
    if key.string().is_some_and(|key| !["traceID", ""].contains(&key)) {
        key.error("it is not supported: accepted is `traceID`, which tail sampling needs");
    }
    not_supported(&mapping, &["routing_attributes"], "traces are routed by their ids");
    let reason = "`protocol.otlp` has those of each peer";
    without_effect(&mapping, &["timeout", "retry_on_failure"], reason);
    let ring = mapping.get("ring").choice(RINGS).unwrap_or_default();
    let resolver = resolver(&mapping.get("resolver").required(), ring);
    let otlp = mapping.get("protocol").required().mapping(&["otlp"]).get("otlp");
    let peer = otlp.mapping(client::GRPC_KEYS);
    without_effect(&peer, &["endpoint"], "the resolver has the addresses");
    let (transport, is_insecure) = grpc_settings(&peer, extensions);
    let retry = peer.get("retry_on_failure").mapping(client::RETRY_KEYS);
    without_effect(&retry, &["max_elapsed_time"], UNTIL_ANSWERED);
    let tls = peer.get("tls").mapping(tls::CLIENT_KEYS);
    check_peers(&transport, !is_insecure, (&otlp, &tls), context);
    Queue::report_for_peers(&mapping);
    Queue::report_for_peers(&peer);
    let inner = Queue::read(&peer, "peer", extensions, context).size;
    let outer = Queue::read(&mapping, "peer", extensions, context).size;
    let defaults = GatewaySettings::new(resolver?, transport);
    let queue_bytes = inner.or(outer);
    Some(GatewaySettings { ring, uses_tls: !is_insecure, queue_bytes, ..defaults })
}

const KEYS: &[&str] = &[
    "protocol",
    "resolver",
    "routing_key",
    "routing_attributes",
    "timeout",
    "retry_on_failure",
    "sending_queue",
    "batcher",
    // Our own.
    "ring",
];
