#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "Sends encoded OTLP trace export requests over HTTP/1.1 from threads, or writes them to files: \
           [`BlockingTransport`]. This build has no tokio and no [`Transport`](crate#features), which the \
           feature `tokio` adds."
)]
#![doc(test(attr(deny(warnings))))]

#[macro_use]
mod text;

mod address;
mod admission;
mod advice;
mod attempt;
#[cfg(feature = "tokio")]
mod backend;
mod block_on;
#[cfg(feature = "tls")]
mod blocking;
mod blocking_transport;
#[cfg(feature = "tokio")]
mod body;
#[cfg(test)]
#[cfg(feature = "tokio")]
mod breaker_tests;
mod builder;
#[cfg(feature = "tokio")]
mod builder_changes;
mod builder_proxy;
mod builder_tls;
#[cfg(feature = "tokio")]
mod builder_tokio;
mod causes;
mod channels;
mod circuit_breaker;
mod classify;
mod compression;
#[cfg(feature = "tokio")]
mod connector;
mod crypto_provider;
#[cfg(feature = "tokio")]
mod deadline;
mod delivery;
mod encoder;
mod endpoint;
mod endpoint_of_signal;
mod endpoint_problem;
mod endpoint_selection;
#[cfg(test)]
#[cfg(feature = "tokio")]
mod endpoints_tests;
mod error;
#[cfg(feature = "tokio")]
mod exchange;
mod explain;
#[cfg(feature = "tokio")]
mod failover;
mod fence;
#[cfg(feature = "tokio")]
mod fetch;
#[cfg(feature = "tokio")]
mod fetch_error;
mod file_sink;
mod framed;
mod framing;
#[cfg(feature = "grpc")]
mod grpc;
mod headers;
#[cfg(feature = "tokio")]
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod http_version;
mod idle_connections;
mod inflate;
mod jitter;
mod json_body;
mod json_memory;
mod mask;
mod message;
#[cfg(test)]
#[cfg(feature = "tokio")]
mod mock;
mod no_proxy;
#[cfg(feature = "tokio")]
mod observed;
mod payload;
#[cfg(feature = "tokio")]
mod per_runtime;
#[cfg(feature = "tokio")]
mod probe;
mod protocol;
#[cfg(feature = "proxy")]
mod proxy;
mod proxy_variables;
mod range;
mod reload_observer;
#[cfg(feature = "tokio")]
mod request_body;
mod request_machine;
mod retry;
mod ring;
pub mod sans_io;
mod sent;
mod shared_bodies;
mod signal;
mod sink;
mod status;
mod target;
mod tcp;
mod throttle;
#[cfg(feature = "blocking-tls")]
mod tls;
mod tls_settings;
#[cfg(feature = "tokio")]
mod transport;
#[cfg(feature = "proxy")]
mod tunnel;
mod unix_socket;
mod url;
#[cfg(feature = "zstd")]
mod zstd;

pub use attempt::FailedAttempt;
pub use blocking_transport::BlockingTransport;
pub use builder::TransportBuilder;
/// The type of request and document bytes.
pub use bytes::Bytes;
pub use channels::{ChannelSelection, Channels, KeepAlive};
pub use circuit_breaker::CircuitBreaker;
pub use compression::{Compression, UnknownCompression};
pub use crypto_provider::CryptoProvider;
pub use delivery::{Delivery, Failure, Outcome};
pub use endpoint::{Endpoint, EndpointError};
pub use endpoint_problem::EndpointProblem;
pub use endpoint_selection::EndpointSelection;
pub use error::BuildError;
#[cfg(feature = "tokio")]
pub use fetch::Fetcher;
#[cfg(feature = "tokio")]
pub use fetch_error::FetchError;
pub use file_sink::{FileSink, FileSinkBuilder, FileSinkError};
pub use framed::{FramedRequest, InMemoryError};
pub use framing::PREFIX;
pub use headers::{Headers, HeadersError};
pub use http_version::HttpVersion;
pub use idle_connections::IdleConnections;
#[cfg(feature = "tokio")]
pub use probe::{Probe, ProbeResult};
pub use protocol::{Protocol, UnknownProtocol};
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use retry::RetryPolicy;
pub use ring::{Ring, RingError, RingVersion};
pub use signal::Signal;
pub use sink::{Sink, SinkFuture, SinkLifecycle};
pub use status::ResponseStatus;
#[cfg(feature = "tokio")]
pub use transport::Transport;

/// The parts that crates which forward the features share. They are no part of the API and change without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::error::MissingFeature;
    #[cfg(feature = "tokio")]
    pub use crate::observed::{Observed, OpenConnections};
    pub use crate::proxy_variables::{all_proxy_variable, proxy_variable};

    /// The memory that a `FileSink` needs for a request of `len` bytes.
    pub fn json_bound(len: usize) -> usize {
        crate::json_memory::bound(len)
    }

    /// The connections of `transport` so far.
    #[cfg(feature = "tokio")]
    pub fn observed(transport: &crate::Transport) -> Observed {
        transport.backend().observed()
    }

    /// The counter of the connections of `transport`.
    #[cfg(feature = "tokio")]
    pub fn open_connections(transport: &crate::Transport) -> OpenConnections {
        OpenConnections::new(transport.backend().peers())
    }

    /// A clone of `transport` for requests that only ask: they share its connections and settings, and neither wait for
    /// its throttles and circuit breakers nor change them.
    #[cfg(feature = "tokio")]
    pub fn probing(transport: &crate::Transport) -> crate::Transport {
        transport.probing()
    }
}
