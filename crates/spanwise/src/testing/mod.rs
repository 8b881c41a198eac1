//! An in-memory exporter for the tests of programs that are traced, and an allocator that counts.
//!
//! [`collect`] returns a provider and the spans that it will record. [`Collected::spans`] flushes
//! first, so that a test never sleeps; [`Collected::span`] finds a span by its name, and prints the
//! whole trace as a tree when there is none. Those who know `InMemorySpanExporter` of
//! `opentelemetry_sdk`: `get_finished_spans` is [`spans`](Collected::spans), `reset` is
//! [`clear`](Collected::clear).
//!
//! ```
//! use spanwise::SpanKind;
//! use spanwise::opentelemetry::{KeyValue, trace::{TraceContextExt, Tracer}};
//!
//! fn checkout(tracer: &spanwise::Tracer) { // the code under test
//!     tracer.in_span("checkout", |cx| {
//!         cx.span().set_attribute(KeyValue::new("order.id", 4711));
//!         tracer.in_span("charge", |_| ());
//!     });
//! }
//!
//! let (spanwise, collected) = spanwise::testing::collect();
//! checkout(&spanwise.tracer("shop"));
//!
//! let span = collected.span("checkout");
//! assert_eq!(span.attribute("order.id"), Some(4711.into()));
//! assert_eq!((span.kind(), span.scope().name()), (SpanKind::Internal, "shop"));
//! assert!(collected.span("charge").is_child_of(&span));
//! collected.assert_tree("
//!     checkout
//!       charge
//! ");
//! ```
//!
//! With settings of the program's own, and as the global provider. A process has one: tests that
//! share it run one after another, or look only at the spans of their own trace.
//!
//! ```
//! use spanwise::opentelemetry::{global, trace::Tracer};
//! use spanwise::{SpanwiseBuilder, testing};
//!
//! fn telemetry(builder: SpanwiseBuilder) -> SpanwiseBuilder { // as in `main`
//!     builder.with_service_name("shop")
//! }
//!
//! let (spanwise, collected) = testing::collect_with(telemetry);
//! global::set_tracer_provider(spanwise);
//! global::tracer("shop").in_span("checkout", |_| ());
//! let service = collected.span("checkout").resource_attribute("service.name");
//! assert_eq!(service, Some("shop".into()));
//! ```
//!
//! With `tracing`:
//!
//! ```
//! use tracing_subscriber::prelude::*;
//!
//! let (spanwise, collected) = spanwise::testing::collect();
//! let layer = tracing_opentelemetry::layer().with_tracer(spanwise.tracer("shop"));
//! let subscriber = tracing_subscriber::registry().with(layer);
//! tracing::subscriber::with_default(subscriber, || {
//!     let _checkout = tracing::info_span!("checkout", order.id = 4711).entered();
//! });
//! assert_eq!(collected.span("checkout").attribute("order.id"), Some(4711.into()));
//! ```
//!
//! # Allocations
//!
//! [`CountingAllocator`] counts the allocations of each thread; [`count_allocations`] returns those of a
//! closure, and [`assert_allocations`] limits them. `docs/benchmarking-your-code.md` has a bench to copy.
//!
//! ```
//! use spanwise::testing::{CountingAllocator, assert_allocations, collect, count_allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::system();
//!
//! let (text, allocations) = count_allocations(|| String::from("GET /orders"));
//! assert_eq!((allocations.count, allocations.bytes), (1, text.len() as u64));
//!
//! let (spanwise, collected) = collect();
//! let tracer = spanwise.tracer("shop");
//! let checkout = || tracer.root("checkout", spanwise::SpanKind::Server).finish();
//! checkout(); // the first span allocates a record
//! assert_allocations(0, checkout);
//! assert_eq!(collected.spans().len(), 2);
//! ```

mod allocator;
mod collect;
mod collected;
mod decode;
mod span;
mod store;
mod tree;

pub use allocator::{Allocations, CountingAllocator, assert_allocations, count_allocations};
pub use collect::{collect, collect_with};
pub use collected::{CollectError, Collected};
pub use span::CollectedSpan;
