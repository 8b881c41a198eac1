//! The allocations of the threads that make spans, once caches and chunks are warm.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{OnFull, Outcome, Spanwise};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;
use spanwise_tracing::SpanwiseLayer;
use std::fmt::Debug;
use std::future::ready;
use std::time::Duration;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{error, info, info_span};
use tracing_subscriber::prelude::*;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One test, because the process has one allocator.
#[test]
fn a_span_allocates_what_its_context_needs_and_nothing_else() {
    for (what, spans, work) in WORK {
        let allocations = |sampler: Sampler, activation| {
            let counted = allocations(sampler, activation, *work);
            assert_eq!(
                counted % SPANS,
                0,
                "{what}: a whole number each span, but {counted} in all"
            );
            counted / SPANS
        };
        let none =
            (allocations(Sampler::always_on(), false), allocations(Sampler::always_off(), false));
        assert_eq!(none, (0, 0), "{what}, recorded and not, without contexts");
        // The API's own: the span's state in an `Arc`, and the span behind a pointer in it if it is recorded.
        let contexts =
            (allocations(Sampler::always_on(), true), allocations(Sampler::always_off(), true));
        assert_eq!(contexts, (2 * spans, *spans), "{what}, recorded and not, with contexts");
    }
}

/// The allocations of as many operations as there are [`SPANS`].
fn allocations(sampler: Sampler, activation: bool, work: fn()) -> u64 {
    let provider = Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_sampler(sampler)
        .with_on_full(OnFull::Wait(LONG))
        .with_sink(|_| ready(Outcome::Accepted { rejected: 0, message: None }))
        .build()
        .unwrap();
    let layer: SpanwiseLayer =
        spanwise_tracing::layer(&provider).with_context_activation(activation);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
    let counts = tracing::subscriber::with_default(subscriber, || {
        // The warm-up allocates slots, a record, as many chunks as are in use at once, and the registry's pages.
        (0..WARM_UP).for_each(|_| work());
        provider.force_flush_timeout(LONG).unwrap();
        allocations_on_this_thread(|| (0..SPANS).for_each(|_| work()))
    });
    let ledger = provider.shutdown_timeout(LONG).unwrap().ledger;
    assert_eq!(ledger.dropped_total(), 0);
    counts.allocations
}

/// The name of a case, the spans of one run, and the code.
type Work = (&'static str, u64, fn());

const WORK: &[Work] = &[
    ("a root", 1, || drop(info_span!("op", http.method = "GET", http.status = 200).entered())),
    ("a request", 3, request),
    ("a span that is never entered", 1, || drop(info_span!("op", n = 1))),
    ("fields by Debug and Display", 1, || {
        let name = String::from_utf8_lossy(b"shop");
        drop(info_span!("op", list = ?[1, 2, 3], %name, duration = ?LONG).entered());
    }),
    ("record", 1, || {
        let span = info_span!("op", status = Empty, otel.name = Empty, rows = Empty).entered();
        span.record("status", 200).record("otel.name", "GET /").record("rows", debug(&[7, 8]));
    }),
    ("an event of level error", 1, || {
        let _span = info_span!("op").entered();
        error!(attempt = 2, error = "refused", "failed");
    }),
    ("entered twice", 1, || {
        let span = info_span!("op");
        span.in_scope(|| ());
        span.in_scope(|| info!(list = ?["again"], "second"));
    }),
];

fn request() {
    let statement = "SELECT * FROM users WHERE id = $1";
    let _server = info_span!(
        "GET /users/{id}",
        otel.kind = "server",
        http.request.method = "GET",
        server.port = 443,
        http.response.status_code = 200,
    )
    .entered();
    for rows in 0..2 {
        let _child = info_span!(
            "query",
            otel.kind = "client",
            otel.name = "SELECT",
            db.query.text = statement,
            db.response.returned_rows = rows,
        )
        .entered();
        info!(cache.key = "user:4711", cache.tier = 2, "cache miss");
    }
}

fn debug<T: Debug>(value: &T) -> tracing::field::DebugValue<&T> {
    tracing::field::debug(value)
}

/// Runs to count.
const SPANS: u64 = 500;
const WARM_UP: u64 = 10_000;
/// A timeout for events that take milliseconds on an idle machine.
const LONG: Duration = Duration::from_secs(20);
