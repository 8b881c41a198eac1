//! The settings of one endpoint, and of the destinations that the endpoints belong to.

use crate::breaker::BreakerSettings;
use crate::random::Random;
use spanwise_export::Destination;
use spanwise_transport::sans_io::{Admission, RequestSettings};
use spanwise_transport::{
    BuildError, CircuitBreaker, Compression, Protocol, RetryPolicy, RingVersion, Transport,
};
use std::time::Duration;

/// The settings of an endpoint: its transport, and the limits of its receiver.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// The protocol by which responses are classified.
    pub protocol: Protocol,
    /// Whether requests are compressed, which charges the budget for a copy.
    pub is_compressed: bool,
    /// The timeouts and retries of requests.
    pub request: RequestSettings,
    /// The circuit breaker of the transport.
    pub breaker: Option<BreakerSettings>,
    /// The longest wait of the sender's own between two attempts.
    pub retry_cap: Duration,
    /// The maximum bytes of a request that the receiver reads.
    pub receiver_bytes: Option<u64>,
}

/// A destination: one endpoint that gets every span, or several that share the spans by trace id.
#[derive(Debug, Clone)]
pub struct DestinationSettings {
    /// Its endpoints.
    pub endpoints: Vec<EndpointSettings>,
    /// The version of the ring; `None` for a destination with one endpoint.
    pub ring: Option<RingVersion>,
}

impl EndpointSettings {
    /// Draws the settings.
    pub fn draw(random: &mut Random) -> Self {
        let attempt_timeout = random.millis(5, 12_000);
        let request_timeout = random.millis(5, 60_000).max(attempt_timeout);
        let retry_cap = random.millis(1, 10_000);
        let retry = RetryPolicy::default()
            .with_initial(random.millis(1, 1_000))
            .with_factor(1.0 + random.below(20) as f64 / 10.0)
            .with_cap(retry_cap);
        Self {
            protocol: random.pick(&[(2, Protocol::HttpProtobuf), (1, Protocol::Grpc)]),
            is_compressed: random.one_in(3),
            request: RequestSettings { attempt_timeout, request_timeout, retry },
            breaker: random.one_in(2).then(|| BreakerSettings {
                failures: random.between(1, 8) as u32,
                open_time: random.millis(1, 10_000),
            }),
            retry_cap,
            receiver_bytes: random.one_in(3).then(|| random.scaled(500, 1 << 20)),
        }
    }

    /// The transport, which encodes requests and sends nothing: the world's own sender does.
    ///
    /// # Errors
    /// A setting is refused.
    pub fn transport(&self) -> Result<Transport, BuildError> {
        let compression = match self.is_compressed {
            true => Compression::Gzip,
            false => Compression::None,
        };
        Transport::builder().with_protocol(self.protocol).with_compression(compression).build()
    }

    /// The circuit breaker, whose open time has the limit of a throttle.
    pub fn breaker(&self) -> Option<BreakerSettings> {
        let limit = |it: BreakerSettings| BreakerSettings {
            open_time: it.open_time.min(self.max_throttle()),
            ..it
        };
        self.breaker.map(limit)
    }

    /// The state that all requests share.
    pub fn admission(&self) -> Admission {
        let breaker = self.breaker.map(|it| {
            CircuitBreaker::default().with_failures(it.failures).with_open_time(it.open_time)
        });
        Admission::new(self.max_throttle(), breaker)
    }

    /// The longest time for which a receiver can stop all requests by `Retry-After`: as
    /// `TransportBuilder::with_request_timeout` documents it.
    pub fn max_throttle(&self) -> Duration {
        let RequestSettings { attempt_timeout, request_timeout, .. } = self.request;
        request_timeout.saturating_sub(attempt_timeout).max(request_timeout / 2)
    }
}

impl DestinationSettings {
    /// Draws the destinations of a world: mostly one with one endpoint.
    pub fn draw_all(random: &mut Random) -> Vec<Self> {
        let one = [None].as_slice();
        let all: &[Option<u64>] = random.pick(&[
            (6, one),
            (1, &[None, None]),
            (1, &[None, None, None]),
            (1, &[Some(2)]),
            (1, &[Some(3)]),
            (1, &[None, Some(2)]),
        ]);
        all.iter().map(|&routed| Self::draw(routed, random)).collect()
    }

    /// Draws a destination with one endpoint, or with this number that it routes to.
    fn draw(routed: Option<u64>, random: &mut Random) -> Self {
        let versions = [(1, RingVersion::V1), (1, RingVersion::V2), (2, RingVersion::V3)];
        let ring = routed.map(|_| random.pick(&versions));
        let endpoints = (0..routed.unwrap_or(1)).map(|_| EndpointSettings::draw(random)).collect();
        Self { endpoints, ring }
    }

    /// The names of the endpoints on the ring.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.endpoints.len()).map(|index| format!("collector-{index}:4317"))
    }

    /// The destination of the exporter.
    ///
    /// # Errors
    /// A setting is refused.
    pub fn destination(&self) -> Result<Destination, String> {
        let transport = |it: &EndpointSettings| it.transport().map_err(|error| error.to_string());
        let transports =
            self.endpoints.iter().map(transport).collect::<Result<Vec<_>, String>>()?;
        match self.ring {
            Some(version) => {
                let routed = Destination::routed_by_trace_id(version, self.names().zip(transports));
                routed.map_err(|error| error.to_string())
            }
            None => transports.into_iter().next().map(Destination::new).ok_or(String::new()),
        }
    }
}
