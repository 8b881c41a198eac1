//! [`Observed`]: the connections of a transport as they were made, for a report of its health.

use std::time::SystemTime;

use crate::explain::ConnectionContext;
use crate::target::Target;
use crate::tcp::PeerObservations;

/// The connections of a transport so far, to all of its endpoints.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Connections that were made, to the endpoint or to its proxy.
    pub connections: u64,
    /// TLS sessions that were made.
    pub tls_sessions: u64,
    /// The `Date` of the newest response of HTTP that has one.
    pub date: Option<SystemTime>,
    /// The proxy, without its credentials.
    pub proxy: Option<String>,
}

/// The connections of a transport that are open, without a reference to the transport itself.
#[derive(Debug, Clone, Default)]
pub struct OpenConnections(Vec<PeerObservations>);

impl OpenConnections {
    pub(crate) fn new(peers: Vec<PeerObservations>) -> Self {
        Self(peers)
    }

    /// The connections that are open now, to the endpoints or to their proxy. Takes no lock: a forked child may call it.
    pub fn count(&self) -> usize {
        self.0.iter().map(PeerObservations::open).sum()
    }
}

impl Observed {
    pub(crate) fn of(context: &ConnectionContext, target: &Target) -> Self {
        let state = context.observations.state();
        let (connections, tls_sessions) = (state.connected, state.tls_sessions);
        Self { connections, tls_sessions, date: state.date, proxy: target.proxy() }
    }

    /// The sum of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            tls_sessions: self.tls_sessions.saturating_add(other.tls_sessions),
            date: self.date.max(other.date),
            proxy: self.proxy.or(other.proxy),
        }
    }
}
