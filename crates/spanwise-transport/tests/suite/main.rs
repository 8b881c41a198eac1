//! Requests as a transport sends them, and their outcomes by the answers. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../peer/mod.rs"]
mod peer;
#[cfg(all(feature = "tokio", any(feature = "tls", feature = "http2", feature = "proxy")))]
#[path = "../secure/mod.rs"]
mod secure;

mod ambiguous;
mod answers;
mod blocking;
mod blocking_connections;
#[cfg(feature = "blocking-tls")]
mod blocking_drip;
#[cfg(feature = "tls")]
mod certificate_files;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "grpc")]
mod channels;
mod compression;
mod endpoints;
mod fetch;
mod framed;
#[cfg(feature = "grpc")]
mod grpc;
mod http;
#[cfg(feature = "http2")]
mod http2;
mod json;
mod mistakes;
mod probe;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(feature = "tls")]
mod receiver_over_tls;
mod request_timeout;
mod ring;
mod sink;
mod tables;
#[cfg(feature = "tls")]
mod tls;
mod unix_socket;
mod values;
