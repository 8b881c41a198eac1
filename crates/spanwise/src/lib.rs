#![doc = include_str!("../README.md")]

mod init;

pub use init::init;
pub use spanwise_sdk::*;

/// The API that spans are made through, in the version this crate implements. Two versions in one
/// program do not see each other's spans: depend on this one.
pub use opentelemetry;
/// Sharded buffers under a byte budget.
pub use spanwise_batch as batch;
/// The account of spans.
pub use spanwise_ledger as ledger;
/// Object pools.
pub use spanwise_pool as pool;
/// OTLP over HTTP and gRPC.
pub use spanwise_transport as transport;
/// OTLP bytes, written and read in place.
pub use spanwise_wire as wire;
/// The worker thread and the span clock.
pub use spanwise_worker as worker;
