//! Settings of the idle connections of OTLP/HTTP.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::{BuildError, range};

/// The connections of OTLP/HTTP that stay open for the next request.
///
/// A request takes an idle connection or makes one, so that there are as many as requests are in flight. A
/// connection that is dropped costs the next request a handshake. Clones share the count of all idle
/// connections: of transports that are built with clones of one value, and of the endpoints of a transport.
///
/// HTTP/2 has one connection to each endpoint, to which the timeout alone applies.
///
/// ```
/// use spanwise_transport::{IdleConnections, TransportBuilder};
/// use std::time::Duration;
///
/// // `MaxIdleConns`, `MaxIdleConnsPerHost` and `IdleConnTimeout` of Go's HTTP client.
/// let idle = IdleConnections::default()
///     .with_max(100)
///     .with_max_per_host(10)
///     .with_timeout(Duration::from_secs(90));
/// let _builder = TransportBuilder::default().with_idle_connections(idle);
/// ```
#[derive(Clone)]
pub struct IdleConnections {
    max: usize,
    max_per_host: usize,
    timeout: Duration,
    /// Idle connections of all hosts.
    count: Arc<AtomicUsize>,
}

impl IdleConnections {
    /// Sets the maximum number of idle connections in all. Default 64, 0 to 4,096; with 0, no connection is used twice.
    pub fn with_max(mut self, connections: usize) -> Self {
        self.max = connections;
        self
    }

    /// Sets the maximum number of idle connections to one host. Default 16, 0 to 4,096.
    pub fn with_max_per_host(mut self, connections: usize) -> Self {
        self.max_per_host = connections;
        self
    }

    /// Sets the time after which an idle connection is closed. Default 60 s, at least 1 ms.
    ///
    /// Shorter than that of the receiver or a proxy in between, or a request may meet a connection that its
    /// peer is closing; such a request is sent again.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn max_per_host(&self) -> usize {
        self.max_per_host
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Counts a connection that becomes idle; `None` if there are as many as may be.
    pub(crate) fn try_count(&self) -> Option<IdleCount> {
        let more = |count: usize| (count < self.max).then_some(count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(IdleCount(self.count.clone()))
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        range::number("IdleConnections::with_max", self.max, 0..=MAX)?;
        range::number("IdleConnections::with_max_per_host", self.max_per_host, 0..=MAX)?;
        range::time("IdleConnections::with_timeout", self.timeout)
    }
}

impl Default for IdleConnections {
    fn default() -> Self {
        Self {
            max: 64,
            // As many as requests are in flight in any usual configuration.
            max_per_host: 16,
            timeout: Duration::from_secs(60),
            count: Arc::default(),
        }
    }
}

impl fmt::Debug for IdleConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleConnections")
            .field("max", &self.max)
            .field("max_per_host", &self.max_per_host)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An idle connection, which is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct IdleCount(Arc<AtomicUsize>);

impl Drop for IdleCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

const MAX: usize = 4096;
