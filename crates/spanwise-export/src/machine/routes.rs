//! The destinations of requests, and the lanes of their endpoints.

use crate::destination::Destination;
use crate::encoder_bytes::copy_factor;
use spanwise_ledger::Ledger;
use spanwise_transport::{Ring, Transport};
use std::ops::Range;
use std::sync::Arc;

/// The destinations, each with its lanes: all lanes are numbered through.
pub(crate) struct Routes {
    destinations: Vec<Route>,
    /// Memory for copies of a request that the transport of each lane makes, in multiples of its length.
    copy_factors: Vec<usize>,
}

/// A destination, and the lanes of its endpoints.
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) ledger: Ledger,
    /// The ring whose endpoints have `lanes`; `None`: there is one lane, which takes all spans.
    pub(crate) ring: Option<Ring>,
    pub(crate) lanes: Range<usize>,
}

impl Routes {
    /// The routes to these destinations, and the transports of their lanes. `ledger` is the first
    /// destination's.
    pub(crate) fn new(destinations: Vec<Destination>, ledger: Ledger) -> (Self, Vec<Transport>) {
        let mut routes = Self { destinations: Vec::new(), copy_factors: Vec::new() };
        let mut transports = Vec::new();
        for destination in destinations {
            let is_first = routes.destinations.is_empty();
            let name = destination.name();
            let ledger = match is_first {
                true => ledger.clone(),
                false => destination.ledger().clone(),
            };
            let first = transports.len();
            transports.extend(destination.transports);
            let lanes = first..transports.len();
            routes.destinations.push(Route { name, ledger, ring: destination.ring, lanes });
        }
        routes.copy_factors = transports.iter().map(copy_factor).collect();
        (routes, transports)
    }

    pub(crate) fn destinations(&self) -> &[Route] {
        &self.destinations
    }

    /// Name and ledger of each destination.
    pub(crate) fn names_and_ledgers(&self) -> Vec<(Arc<str>, Ledger)> {
        self.destinations.iter().map(|route| (route.name.clone(), route.ledger.clone())).collect()
    }

    /// The number of lanes.
    pub(crate) fn lanes(&self) -> usize {
        self.copy_factors.len()
    }

    /// The most requests that one batch of spans is split into.
    pub(crate) fn parts(&self) -> usize {
        let routed = self.destinations.iter().filter(|route| route.ring.is_some());
        routed.map(|route| route.lanes.len()).max().unwrap_or(1)
    }

    /// The ledgers of all destinations but the first.
    pub(crate) fn other_ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.destinations.iter().skip(1).map(|route| &route.ledger)
    }

    /// The destination of a lane, and its index.
    pub(crate) fn of_lane(&self, lane: usize) -> Option<(usize, &Route)> {
        self.destinations.iter().enumerate().find(|(_, route)| route.lanes.contains(&lane))
    }

    /// Memory of a request that `lanes` share, in multiples of its length: itself, and the copies that each
    /// makes.
    pub(crate) fn copies_of(&self, lanes: impl Iterator<Item = usize>) -> usize {
        1 + lanes.filter_map(|lane| self.copy_factors.get(lane)).sum::<usize>()
    }

    /// The lanes of all destinations that take all spans: they share one request.
    pub(crate) fn unrouted_lanes(&self) -> impl Iterator<Item = usize> {
        let unrouted = self.destinations.iter().filter(|route| route.ring.is_none());
        unrouted.flat_map(|route| route.lanes.clone())
    }

    /// The most copies of a span that requests need at once: for the destinations that share a request, and
    /// for each that is routed.
    pub(crate) fn copies(&self) -> usize {
        let unrouted = match self.unrouted_lanes().next() {
            Some(_) => self.copies_of(self.unrouted_lanes()),
            None => 0,
        };
        // A span goes to one endpoint of each.
        let routed = self.destinations.iter().filter(|route| route.ring.is_some());
        let most = |route: &Route| {
            route.lanes.clone().map(|lane| self.copies_of(std::iter::once(lane))).max().unwrap_or(0)
        };
        unrouted + routed.map(most).sum::<usize>()
    }
}
