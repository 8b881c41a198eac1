#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod init;
#[cfg(feature = "testing")]
pub mod testing;

pub use init::init;
/// The bytes of a request, as a [`Sink`] receives them.
#[doc(no_inline)]
pub use spanwise_sdk::Bytes;
// By name: with `*` the documentation of `Bytes`, whose examples are for its own crate, would be shown
// as ours.
#[doc(inline)]
pub use spanwise_sdk::{
    Attribute, BuildError, Compression, Counter, Detector, Diagnostic, DropReason, EncodeValue,
    Exporter, Failure, FinishError, Finished, FlushError, Guard, LinkedContext, OnFull, Outcome,
    OwnedValue, Protocol, Report, ResponseStatus, Sink, SinkFuture, Snapshot, Span, SpanId,
    SpanKind, SpanLimits, Spanwise, SpanwiseBuilder, StatusCode, TraceFlags, TraceId, Tracer,
    Value,
};

/// Propagators of W3C Trace Context and W3C Baggage, which [`init()`] makes the global ones.
#[doc(inline)]
pub use spanwise_sdk::propagation;

/// The API that spans are made through, in the version this crate implements. Two versions in one
/// program do not see each other's spans: depend on this one.
pub use opentelemetry;

/// Sharded buffers under a byte budget: the crate `spanwise-batch`.
///
/// ```
/// use spanwise::batch::Budget;
///
/// let budget = Budget::new(1024);
/// let half = budget.try_charge(512);
/// assert!(half.is_some() && budget.try_charge(513).is_none());
/// ```
pub mod batch {
    #[doc(no_inline)]
    pub use spanwise_batch::*;
}

/// The account of spans: the crate `spanwise-ledger`.
///
/// ```
/// use spanwise::ledger::{DropReason, Ledger};
///
/// let ledger = Ledger::new();
/// ledger.started();
/// ledger.tickets(1).dropped(DropReason::Rejected);
/// assert!(ledger.snapshot().is_idle());
/// ```
pub mod ledger {
    #[doc(no_inline)]
    pub use spanwise_ledger::*;
}

/// Pools of objects, spans and buffers: the crate `spanwise-pool`.
///
/// [`Tracer::finish_pooled`] records a span that was filled elsewhere:
///
/// ```
/// use spanwise::pool::SpanPool;
///
/// let spans = SpanPool::new(64);
/// let mut span = spans.acquire();
/// span.set_attribute("order.items", vec!["book", "pen"].len());
/// assert_eq!(span.attributes.len(), 1);
/// ```
pub mod pool {
    #[doc(no_inline)]
    pub use spanwise_pool::*;
}

/// Samplers, and what they are made of: the crate `spanwise-sampling`.
///
/// ```
/// use spanwise::sampling::{SpanPredicate, RuleBased, Sampler};
///
/// let rules = RuleBased::new()
///     .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
///     .with_rule(SpanPredicate::any(), Sampler::always_on());
/// let sampler = Sampler::from(rules).parent_based();
/// let _builder = spanwise::Spanwise::builder().with_sampler(sampler);
/// ```
pub mod sampling {
    #[doc(inline)]
    pub use spanwise_sdk::sampling::*;
}

/// OTLP over HTTP and gRPC: the crate `spanwise-transport`.
///
/// ```
/// use spanwise::transport::Transport;
///
/// fn main() -> Result<(), spanwise::transport::BuildError> {
///     let transport = Transport::builder().build()?; // to this machine, port 4318
///     println!("{transport:?}");
///     Ok(())
/// }
/// ```
pub mod transport {
    #[doc(no_inline)]
    pub use spanwise_transport::*;
}

/// OTLP bytes, written and read in place: the crate `spanwise-wire`.
///
/// ```
/// use spanwise::wire::read::TraceRequest;
///
/// /// For a sink that wants to know what it is given.
/// fn spans(request: &spanwise::Bytes) -> u64 {
///     TraceRequest::new(request).count_spans().unwrap_or_default()
/// }
/// assert_eq!(spans(&spanwise::Bytes::new()), 0);
/// ```
pub mod wire {
    #[doc(no_inline)]
    pub use spanwise_wire::*;
}

/// Worker threads and pools, and the span clock: the crate `spanwise-worker`.
///
/// ```
/// use spanwise::worker::clock;
///
/// let start = clock::start();
/// assert!(clock::end(start) >= start.unix_nanos);
/// ```
pub mod worker {
    #[doc(no_inline)]
    pub use spanwise_worker::*;
}

/// Zero-copy buffers: the crate `spanwise-bytes`.
///
/// ```
/// use spanwise::zero_copy::ByteStr;
///
/// let text = ByteStr::from(String::from("GET /orders"));
/// assert_eq!(text.slice(4..).as_deref(), Some("/orders")); // the same memory
/// ```
#[cfg(feature = "zero-copy")]
pub mod zero_copy {
    #[doc(no_inline)]
    pub use spanwise_bytes::{
        ByteStr, BytesChain, FromUtf8Error, WriteTo, bytes, bytes_to_str, str_to_bytes,
    };
}

/// The examples of the workspace's README are compiled with those of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
