//! Propagators for W3C Trace Context and W3C Baggage, which continue a trace in the next process.
//!
//! [`init`](crate::SpanwiseBuilder::init) makes both the global propagator, as `OTEL_PROPAGATORS`
//! names them. After [`build`](crate::SpanwiseBuilder::build), which sets no globals, a program sets
//! its own:
//!
//! ```
//! # use spanwise_sdk as spanwise;
//! use spanwise::opentelemetry::{global, propagation::TextMapCompositePropagator};
//! use spanwise::propagation::{BaggagePropagator, TraceContextPropagator};
//!
//! global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
//!     Box::new(TraceContextPropagator::new()),
//!     Box::new(BaggagePropagator::new()),
//! ]));
//! ```
//!
//! A client injects its context into the headers of a request, a server extracts it from them. With
//! the feature `http`, the module `http` does both for an `http::HeaderMap`.
//!
//! ```
//! # use spanwise_sdk as spanwise;
//! use spanwise::opentelemetry::{Context, propagation::TextMapPropagator, trace::TraceContextExt};
//! use spanwise::propagation::TraceContextPropagator;
//! use std::collections::HashMap;
//!
//! let propagator = TraceContextPropagator::new();
//! let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
//! let received = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
//! let parent = propagator.extract_with_context(&Context::new(), &received);
//! assert!(parent.span().span_context().is_remote());
//!
//! let mut sent = HashMap::new();
//! propagator.inject_context(&parent, &mut sent);
//! assert_eq!(sent["traceparent"], traceparent);
//! ```

mod baggage;
#[cfg(feature = "http")]
pub mod http;
mod propagator;
mod trace_context;
mod trace_parent;
mod trace_state;
mod whitespace;

pub use baggage::BaggagePropagator;
pub use propagator::Propagator;
pub(crate) use propagator::set_global;
pub use trace_context::TraceContextPropagator;
