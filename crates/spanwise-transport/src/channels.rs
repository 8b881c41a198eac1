//! Settings of the HTTP/2 connections of OTLP/gRPC.

use std::time::Duration;

use crate::{BuildError, range};

/// The channels of OTLP/gRPC: their number, and which of them sends the next request. Each channel is one
/// HTTP/2 connection to the endpoint, made with its first request.
///
/// One channel carries all requests of most programs: they share it without waiting for each other. More of
/// them pay where one connection is the limit: a load balancer that assigns connections to receivers, or one
/// core that encrypts.
///
/// ```
/// use spanwise_transport::{ChannelSelection, Channels, KeepAlive, TransportBuilder};
///
/// let channels = Channels::new(4)
///     .with_selection(ChannelSelection::LeastInFlight)
///     .with_keep_alive(KeepAlive::frequent());
/// let _builder = TransportBuilder::default().with_channels(channels);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    pub(crate) count: usize,
    pub(crate) selection: ChannelSelection,
    pub(crate) keep_alive: KeepAlive,
}

/// The channel that sends the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ChannelSelection {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight; of several, each in turn.
    LeastInFlight,
}

impl Channels {
    /// `count` channels, 1 to 64, each in turn, with the default keep-alive.
    pub fn new(count: usize) -> Self {
        Self { count, selection: ChannelSelection::default(), keep_alive: KeepAlive::default() }
    }

    /// Sets which channel sends the next request. Default [`ChannelSelection::RoundRobin`].
    pub fn with_selection(mut self, selection: ChannelSelection) -> Self {
        self.selection = selection;
        self
    }

    /// Sets the keep-alive of each channel. Default [`KeepAlive::default`].
    pub fn with_keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        range::number("Channels::new (the number of channels)", self.count, 1..=MAX_CHANNELS)?;
        let KeepAlive { interval, timeout, .. } = self.keep_alive;
        range::time_to("KeepAlive::with_interval", interval, MAX_KEEP_ALIVE)?;
        range::time_to("KeepAlive::with_timeout", timeout, MAX_KEEP_ALIVE)
    }
}

/// One channel.
impl Default for Channels {
    fn default() -> Self {
        Self::new(1)
    }
}

/// Keep-alive by HTTP/2 pings: a channel whose ping is not answered is closed, and the next request makes a
/// new connection.
///
/// Default: pings every 20 s, answered within 10 s, and none while no request is in flight. A server that
/// accepts fewer of them closes the connection with `too_many_pings`; from then on all channels of the
/// transport ping at half the rate (gRPC proposal A8), once a day at least. Common servers allow one ping in
/// five minutes on an idle connection, and some forbid them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) while_idle: bool,
}

impl KeepAlive {
    /// Frequent pings, also while no request is in flight: every 10 s, answered within 3 s. They detect a
    /// vanished peer before the next request, and suit a server whose limit is as low; see [`KeepAlive`] for
    /// what other servers do.
    pub fn frequent() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            while_idle: true,
        }
    }

    /// Sets the time from the last byte that the peer sent to a ping. Default 20 s, 1 ms to one day.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the time in which a ping is answered. Default 10 s, 1 ms to one day.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether idle connections are pinged (`PermitWithoutStream` of grpc-go). Default false.
    pub fn with_while_idle(mut self, while_idle: bool) -> Self {
        self.while_idle = while_idle;
        self
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
            while_idle: false,
        }
    }
}

const MAX_CHANNELS: usize = 64;
/// HTTP/2 adds the times of a keep-alive to an `Instant`, which panics if the sum cannot be represented. A ping a
/// day is as good as none.
pub(crate) const MAX_KEEP_ALIVE: Duration = Duration::from_secs(86_400);
