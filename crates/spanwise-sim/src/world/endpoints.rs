//! The endpoints of all destinations: each has its own requests, network and receiver.

use super::splits::Splits;
use crate::endpoint_settings::DestinationSettings;
use crate::network::Network;
use crate::otlp::trace_id;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::sender::Sender;
use spanwise_ledger::Ledger;
use spanwise_transport::{Ring, RingError, Transport};
use std::time::Instant;

/// An endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The index of its destination.
    pub(super) destination: usize,
    /// Its index among the endpoints of its destination.
    pub(super) index: usize,
    pub(super) sender: Sender,
    pub(super) network: Network,
    /// The requests that its receiver refused as too large.
    pub(super) splits: Splits,
    /// The last time at which a request to it was in flight.
    pub(super) busy_until: Instant,
}

/// A destination.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    /// The index of the endpoint that gets the spans of each trace, by its ring; `None`: its endpoint gets all.
    pub(super) routes: Option<Vec<usize>>,
}

impl Destination {
    /// The destination with these settings, of a world with this number of traces.
    ///
    /// # Errors
    /// The ring is refused.
    pub(super) fn new(
        (name, ledger): (&str, &Ledger),
        settings: &DestinationSettings,
        traces: u64,
    ) -> Result<Self, RingError> {
        let ring = settings.ring.map(|version| Ring::new(version, settings.names())).transpose()?;
        let routes = ring.map(|ring| (0..traces).map(|it| ring.index(trace_id(it))).collect());
        Ok(Self { name: name.to_owned(), ledger: ledger.clone(), routes })
    }
}

impl Endpoint {
    /// The endpoints of all destinations, with their transports.
    pub(super) fn all(
        seed: u64,
        scenario: &Scenario,
        transports: &[Transport],
        now: Instant,
    ) -> Vec<Self> {
        let of = |(destination, it): (usize, &DestinationSettings)| {
            let endpoints = it.endpoints.clone().into_iter().enumerate();
            endpoints.map(move |(index, settings)| (destination, index, settings))
        };
        let all = scenario.destinations.iter().enumerate().flat_map(of).zip(transports);
        let endpoint = |(lane, ((destination, index, settings), transport)): (usize, _)| {
            let random = |part: &str| Random::new(seed, &format!("{part}{lane}"));
            let transport: &Transport = transport;
            Self {
                destination,
                index,
                sender: Sender::new(&settings, transport.clone(), now, random("sender")),
                network: Network::new(now, settings.receiver_bytes, random("network")),
                splits: Splits::default(),
                busy_until: now,
            }
        };
        all.enumerate().map(endpoint).collect()
    }
}
