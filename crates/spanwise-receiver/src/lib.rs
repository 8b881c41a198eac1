// The README's examples need both features.
#![cfg_attr(all(feature = "tls", feature = "zstd"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "tls", feature = "zstd")),
    doc = "A small OTLP server with hard limits on the resources of its clients."
)]
#![doc(test(attr(deny(warnings))))]

mod accept;
mod age;
mod answer;
mod body;
mod budget;
mod collected;
mod connection;
mod count;
mod encoding;
mod error;
mod frames;
mod grpc_frame;
mod headers;
mod inflate;
#[cfg(feature = "zstd")]
mod inflate_zstd;
mod json;
mod limits;
mod listener;
mod receiver;
mod refusal;
mod reply;
mod request_charge;
mod route;
mod service;
mod socket;
mod stats;
mod stats_reader;
mod status;
mod stream;
mod thread;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_renewal;
#[cfg(unix)]
mod unix_path;
mod watch;

/// The type of [`Export::body`] and [`Collected::bodies`].
pub use bytes::Bytes;

pub use answer::{Answer, Export, Protocol};
pub use collected::Collected;
pub use error::StartError;
pub use headers::Headers;
pub use limits::Limits;
pub use receiver::{Receiver, ReceiverBuilder};
pub use stats::Stats;
pub use stats_reader::StatsReader;
#[cfg(feature = "tls")]
pub use tls_renewal::TlsRenewal;
