#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

#[macro_use]
mod text;

mod admission;
mod advice;
mod attempt;
mod backend;
mod blocking;
mod blocking_transport;
mod body;
#[cfg(test)]
mod breaker_tests;
mod builder;
mod builder_proxy;
mod builder_tls;
mod causes;
mod channels;
mod circuit_breaker;
mod classify;
mod compression;
mod connector;
mod deadline;
mod delivery;
mod encoder;
mod endpoint;
mod endpoint_problem;
#[cfg(test)]
mod endpoints_tests;
mod error;
mod exchange;
mod explain;
mod failover;
mod fence;
mod fetch;
mod fetch_error;
mod file_sink;
mod framed;
mod framing;
#[cfg(feature = "grpc")]
mod grpc;
mod headers;
mod http1;
mod idle_connections;
mod inflate;
mod jitter;
mod json_body;
mod mask;
mod message;
#[cfg(test)]
mod mock;
#[cfg(feature = "proxy")]
mod no_proxy;
mod payload;
mod per_runtime;
mod probe;
mod protocol;
#[cfg(feature = "proxy")]
mod proxy;
mod range;
mod request_machine;
mod retry;
mod ring;
pub mod sans_io;
mod sink;
mod status;
mod tcp;
mod throttle;
#[cfg(feature = "tls")]
mod tls;
mod tls_settings;
mod transport;
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
pub use delivery::{Delivery, Failure, Outcome};
pub use endpoint::{Endpoint, EndpointError};
pub use endpoint_problem::EndpointProblem;
pub use error::BuildError;
pub use failover::EndpointSelection;
pub use fetch::Fetcher;
pub use fetch_error::FetchError;
pub use file_sink::{FileSink, FileSinkBuilder, FileSinkError};
pub use framed::{FramedRequest, InMemoryError};
pub use framing::PREFIX;
pub use headers::{Headers, HeadersError};
pub use idle_connections::IdleConnections;
pub use probe::{Probe, ProbeResult};
pub use protocol::{Protocol, UnknownProtocol};
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use retry::RetryPolicy;
pub use ring::{Ring, RingError, RingVersion};
pub use sink::{Sink, SinkFuture, SinkLifecycle};
pub use status::ResponseStatus;
pub use transport::Transport;

/// The parts that crates which forward the features share. They are no part of the API and change without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::error::MissingFeature;
}
