#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

#[macro_use]
mod text;

mod advice;
mod attempt;
mod body;
mod builder;
mod classify;
mod compression;
mod delivery;
mod endpoint;
mod error;
mod explain;
mod fence;
mod fetch;
mod framed;
mod framing;
#[cfg(feature = "grpc")]
mod grpc;
mod headers;
mod http1;
mod jitter;
mod mask;
mod message;
#[cfg(test)]
mod mock;
mod protocol;
mod range;
mod retry;
mod sink;
mod tcp;
mod throttle;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod url;
mod wire;

pub use attempt::FailedAttempt;
pub use builder::TransportBuilder;
/// What requests and documents are.
pub use bytes::Bytes;
pub use compression::{Compression, UnknownCompression};
pub use delivery::{Delivery, Failure, Outcome, Status};
pub use endpoint::{Endpoint, EndpointError, EndpointProblem};
pub use error::BuildError;
pub use fetch::{FetchError, Fetcher};
pub use framed::{FramedRequest, InMemoryError};
pub use framing::PREFIX;
pub use headers::{Headers, HeadersError};
pub use protocol::{Protocol, UnknownProtocol};
pub use retry::RetryPolicy;
pub use sink::{Sink, SinkFuture};
pub use transport::Transport;
