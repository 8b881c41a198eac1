//! The destinations of requests, and the lanes of their endpoints.

use crate::destination::Destination;
use crate::encoder_bytes::{copy_factor, is_json, is_sink, json_factor};
use spanwise_ledger::Ledger;
use spanwise_transport::{Ring, Transport};
use std::ops::Range;
use std::sync::Arc;

/// The destinations, each with its lanes: all lanes are numbered through.
#[derive(Clone)]
pub(crate) struct Routes {
    destinations: Vec<Route>,
    lanes: Vec<Copies>,
}

/// The copies of a request that the transport of a lane makes: JSON, and compressed ones.
#[derive(Clone, Copy)]
pub(crate) struct Copies {
    /// Their memory in multiples of the request's length.
    factor: usize,
    /// Whether JSON is among them.
    has_json: bool,
    /// Whether the transport compresses requests.
    compresses: bool,
    /// The first lane whose transport makes the same ones. Lanes that share a request share them.
    same_as: usize,
}

/// A destination, and the lanes of its endpoints.
#[derive(Clone)]
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
        let mut routes = Self { destinations: Vec::new(), lanes: Vec::new() };
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
        routes.lanes = transports.iter().map(Copies::of).collect();
        routes.share_copies(&transports);
        (routes, transports)
    }

    /// The same routes, with another transport in the first lane, whose copies are `first`. `transports` has
    /// those of all lanes.
    pub(crate) fn with_first(&self, first: Copies, transports: &[Transport]) -> Self {
        let mut routes = self.clone();
        routes.lanes.first_mut().into_iter().for_each(|lane| *lane = first);
        routes.share_copies(transports);
        routes
    }

    /// Finds the lanes whose `transports` make the same copies.
    fn share_copies(&mut self, transports: &[Transport]) {
        for (lane, transport) in transports.iter().enumerate() {
            let same = transports.iter().position(|other| other.sends_same_bodies(transport));
            let copies = self.lanes.get_mut(lane).into_iter();
            copies.for_each(|copies| copies.same_as = same.unwrap_or(lane));
        }
    }

    pub(crate) fn destinations(&self) -> &[Route] {
        &self.destinations
    }

    /// Whether the first destination is routed by trace id.
    pub(crate) fn is_first_routed(&self) -> bool {
        self.destinations.first().is_some_and(|route| route.ring.is_some())
    }

    /// Name and ledger of each destination.
    pub(crate) fn names_and_ledgers(&self) -> Vec<(Arc<str>, Ledger)> {
        self.destinations.iter().map(|route| (route.name.clone(), route.ledger.clone())).collect()
    }

    /// The number of lanes.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
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

    /// Memory of a request that `lanes` share, in multiples of its length: itself, and the different copies
    /// that they make.
    pub(crate) fn copies_of(&self, lanes: impl Iterator<Item = usize>) -> usize {
        let mut lanes: Vec<_> = lanes.filter_map(|lane| self.lanes.get(lane)).collect();
        lanes.sort_unstable_by_key(|copies| copies.same_as);
        lanes.dedup_by_key(|copies| copies.same_as);
        1 + lanes.iter().map(|copies| copies.factor).sum::<usize>()
    }

    /// The most copies of a request that one lane is charged for.
    pub(crate) fn lane_copies(&self) -> usize {
        let shared = self.copies_of(self.unrouted_lanes());
        let routed = self.destinations.iter().filter(|route| route.ring.is_some());
        let alone = routed.flat_map(|route| route.lanes.clone());
        alone.map(|lane| self.copies_of(std::iter::once(lane))).fold(shared, usize::max)
    }

    /// The number of usual parts of a request that one lane may get at once: a request for rings alone is split
    /// over their endpoints, none of which should get more than twice its part.
    pub(crate) fn spread(&self) -> usize {
        let endpoints = |route: &Route| if route.ring.is_some() { route.lanes.len() } else { 1 };
        (self.destinations.iter().map(endpoints).min().unwrap_or(1) / 2).max(1)
    }

    /// Whether `lanes` that share a request need memory for its JSON, which is free for another request's
    /// once they do not.
    ///
    /// Several that compress JSON retain the memory: they may need the JSON again, if a receiver refuses the
    /// compression.
    pub(crate) fn need_json(&self, lanes: impl Iterator<Item = usize> + Clone) -> bool {
        let is_alone = lanes.clone().nth(1).is_none();
        let mut json = lanes.filter_map(|lane| self.lanes.get(lane)).filter(|lane| lane.has_json);
        let first = json.next();
        first.into_iter().chain(json).all(|lane| is_alone || lane.factor == json_factor())
            && first.is_some()
    }

    /// Whether a transport compresses requests.
    pub(crate) fn compress(&self) -> bool {
        self.lanes.iter().any(|lane| lane.compresses)
    }

    /// The lanes of all destinations that take all spans: they share one request.
    pub(crate) fn unrouted_lanes(&self) -> impl Iterator<Item = usize> + Clone {
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

impl Copies {
    /// The copies of this transport, which shares none. A sink's own code may run.
    pub(crate) fn of(transport: &Transport) -> Self {
        let (factor, has_json) = (copy_factor(transport), is_json(transport));
        let of_json = if has_json { json_factor() } else { 0 };
        let compresses = factor > of_json && !is_sink(transport);
        Self { factor, has_json, compresses, same_as: 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use spanwise_transport::{Compression, Outcome, Protocol, TransportBuilder};

    fn copies(transports: impl IntoIterator<Item = TransportBuilder>) -> usize {
        let transports = transports.into_iter().map(|builder| builder.build().unwrap());
        let destinations = transports.map(Destination::new).collect();
        Routes::new(destinations, Ledger::new()).0.copies()
    }

    #[test]
    fn destinations_with_equal_settings_share_their_copies() {
        let plain = Transport::builder;
        let gzip = || plain().with_compression(Compression::Gzip);
        let json = || plain().with_protocol(Protocol::HttpJson);
        let sink = || {
            let accept = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
            gzip().with_sink(accept)
        };
        assert_eq!(copies([plain(), plain()]), 1);
        assert_eq!(copies([gzip(), plain(), gzip(), sink(), gzip()]), 2);
        assert_eq!(copies([gzip(), gzip().with_compression_level(1)]), 2);
        assert_eq!(copies([gzip(), gzip().with_compression_level(6), gzip()]), 3);
        assert_eq!(copies([gzip(), gzip().with_compression_threshold(9)]), 3);
        assert_eq!(copies([json(), json()]), 7);
        let json_gzip = || json().with_compression(Compression::Gzip);
        assert_eq!(copies([json_gzip(), json_gzip(), json_gzip()]), 13);
        assert_eq!(copies([json_gzip(), json(), gzip()]), 1 + 12 + 6 + 1);
    }

    #[test]
    fn json_that_may_be_needed_again_keeps_its_memory() {
        let plain = Transport::builder;
        let json = || plain().with_protocol(Protocol::HttpJson);
        let json_gzip = || json().with_compression(Compression::Gzip);
        fn need_json(transports: impl IntoIterator<Item = TransportBuilder>) -> bool {
            let transports = transports.into_iter().map(|builder| builder.build().unwrap());
            let destinations = transports.map(Destination::new).collect();
            let routes = Routes::new(destinations, Ledger::new()).0;
            routes.need_json(routes.unrouted_lanes())
        }
        assert!(!need_json([plain(), plain()]));
        assert!(need_json([json()]) && need_json([json_gzip()]));
        assert!(need_json([plain(), json(), json()]));
        assert!(!need_json([plain(), json_gzip()]) && !need_json([json(), json_gzip()]));
    }

    #[test]
    fn requests_of_a_transport_that_compresses_are_known() {
        let plain = Transport::builder;
        let json = || plain().with_protocol(Protocol::HttpJson);
        let gzip = |builder: TransportBuilder| builder.with_compression(Compression::Gzip);
        fn compress(transports: impl IntoIterator<Item = TransportBuilder>) -> bool {
            let transports = transports.into_iter().map(|builder| builder.build().unwrap());
            let destinations = transports.map(Destination::new).collect();
            Routes::new(destinations, Ledger::new()).0.compress()
        }
        assert!(!compress([plain(), json()]));
        assert!(compress([gzip(plain())]) && compress([json(), gzip(json())]));
        let accept = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        assert!(!compress([gzip(plain()).with_sink(accept)]));
    }
}
