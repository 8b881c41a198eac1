//! The metrics of a gateway.

use std::sync::atomic::Ordering::Relaxed;

use spanwise_metrics::{Attribute, Metric, MetricData, NumberPoint};

use super::members::Target;
use super::resolver::Resolutions;
use crate::account::{GatewayAccount, PeerAccount};

/// A metric by its name without the Collector's prefix.
macro_rules! metric {
    ($name:literal, $unit:literal, $description:literal, $data:expr) => {
        Metric::new(concat!("otelcol_loadbalancer_", $name), $unit, $data)
            .with_description($description)
    };
}

/// A counter of our own.
macro_rules! own {
    ($name:literal, $unit:literal, $description:literal, $value:expr) => {
        Metric::new(
            concat!("spanwise.node.gateway.", $name),
            $unit,
            MetricData::Counter(vec![NumberPoint::new($value)]),
        )
        .with_description($description)
    };
}

/// A gauge of our own, of all peers.
macro_rules! own_gauge {
    ($name:literal, $unit:literal, $description:literal, $data:expr) => {
        Metric::new(concat!("spanwise.node.gateway.", $name), $unit, $data)
            .with_description($description)
    };
}

/// All metrics.
pub(super) fn snapshot(
    resolver: &'static str,
    resolutions: &Resolutions,
    targets: &[Target],
    account: &GatewayAccount,
) -> Vec<Metric> {
    let of_resolver = || Attribute::new("resolver", resolver);
    let point = |value: u64| NumberPoint::new(value).with_attributes([of_resolver()]);
    let by_success = [(true, &resolutions.succeeded), (false, &resolutions.failed)];
    let resolved = by_success.map(|(success, count)| {
        NumberPoint::new(count.load(Relaxed))
            .with_attributes([of_resolver(), Attribute::new("success", success)])
    });
    let peers = targets.iter().filter_map(|target| match target {
        Target::Peer(peer) => Some(peer),
        Target::Local => None,
    });
    let outcomes = peers.clone().flat_map(|peer| {
        let counts = peer.counts();
        [(true, &counts.succeeded_requests), (false, &counts.failed_requests)].map(
            |(success, count)| {
                let endpoint = Attribute::new("endpoint", peer.name().to_owned());
                NumberPoint::new(count.load(Relaxed))
                    .with_attributes([endpoint, Attribute::new("success", success)])
            },
        )
    });
    let latencies = peers.filter_map(|peer| {
        let endpoint = Attribute::new("endpoint", peer.name().to_owned());
        Some(peer.latency()?.with_attributes([endpoint]))
    });
    let of_peers = |value: fn(&PeerAccount) -> u64| {
        let points = account.peers.iter().map(|peer| {
            let endpoint = Attribute::new("endpoint", peer.name.clone());
            NumberPoint::new(value(peer)).with_attributes([endpoint])
        });
        MetricData::Gauge(points.collect())
    };
    vec![
        own_gauge!(
            "peer_up",
            "",
            "1 while requests to the peer are answered",
            of_peers(|it| it.problem.is_none().into())
        ),
        own_gauge!(
            "peer_has_share",
            "",
            "1 while traces are routed to the peer",
            of_peers(|it| it.has_share.into())
        ),
        own_gauge!(
            "peer_queued",
            "By",
            "Bytes that wait for the peer",
            of_peers(|it| it.queued_bytes as u64)
        ),
        metric!(
            "backend_latency",
            "ms",
            "Time of the requests to each peer, retries included",
            MetricData::Histogram(latencies.collect())
        ),
        metric!(
            "backend_outcome",
            "{outcomes}",
            "Requests to each peer by success",
            MetricData::Counter(outcomes.collect())
        ),
        metric!(
            "num_backend_updates",
            "{updates}",
            "Resolutions with other peers than the one before",
            MetricData::Counter(vec![point(resolutions.updates.load(Relaxed))])
        ),
        metric!(
            "num_backends",
            "{backends}",
            "Peers in the ring",
            MetricData::Gauge(vec![point(targets.len() as u64)])
        ),
        metric!(
            "num_resolutions",
            "{resolutions}",
            "Resolutions of the peers by success",
            MetricData::Counter(resolved.into())
        ),
        own!("spans", "{span}", "Spans that the gateway was handed", account.handed),
        own!("local_spans", "{span}", "Spans of the share of this node", account.local),
        own!(
            "rerouted_spans",
            "{span}",
            "Spans that were taken from a peer that left or does not answer",
            account.rerouted
        ),
        own!(
            "undivided_spans",
            "{span}",
            "Spans of requests that were not divided",
            account.undivided
        ),
        own!("malformed_spans", "{span}", "Spans without a valid trace id", account.malformed),
        own!(
            "stayed_spans",
            "{span}",
            "Spans that stayed with the peer that had their trace before a change",
            account.stayed
        ),
        own!("torn_traces", "{trace}", "Traces whose spans are at two peers", account.torn_traces),
    ]
}
