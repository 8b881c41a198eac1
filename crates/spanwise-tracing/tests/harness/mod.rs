//! A provider that exports to a receiver of its own, and subscribers whose spans it records.
#![allow(dead_code, reason = "each test binary uses its part")]

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{Snapshot, Spanwise, SpanwiseBuilder};
use std::time::{Duration, Instant};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

/// A timeout for events that take milliseconds on an idle machine.
pub const LONG: Duration = Duration::from_secs(20);

pub struct Bench {
    pub spanwise: Spanwise,
    pub receiver: Receiver,
    pub collected: Collected,
}

/// A builder that reads no environment variables and discards its diagnostics.
pub fn builder() -> SpanwiseBuilder {
    Spanwise::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

/// A provider that `configure` set up, and that sends to a receiver of its own.
pub fn bench(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Bench {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let builder = builder().with_endpoint(receiver.http_endpoint());
    let spanwise = configure(builder).build().unwrap();
    Bench { spanwise, receiver, collected }
}

/// A subscriber whose spans `spanwise` records.
pub fn subscriber(
    spanwise: &Spanwise,
) -> impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static {
    tracing_subscriber::registry().with(spanwise_tracing::layer(spanwise))
}

/// Runs `f` on a thread whose `tracing` spans `spanwise` records.
pub fn within<T>(spanwise: &Spanwise, f: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(subscriber(spanwise), f)
}

impl Bench {
    /// [`within`] the provider.
    pub fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        within(&self.spanwise, f)
    }

    /// Shuts down, checks that each span that started has one outcome, and returns the spans that the receiver got.
    pub fn finish(&self) -> Vec<Span> {
        let report = self.spanwise.shutdown_timeout(LONG).unwrap();
        assert_balanced(&report.ledger);
        let spans = self.received();
        assert_eq!(report.ledger.exported, spans.len() as u64, "{}", report.ledger);
        spans
    }

    pub fn received(&self) -> Vec<Span> {
        let decode = |body| spanwise_testkit::decode(body);
        let requests: Vec<_> = self.collected.bodies().iter().map(|body| decode(body)).collect();
        requests.iter().flat_map(spanwise_testkit::spans).cloned().collect()
    }
}

/// Checks that each span that started has exactly one outcome.
pub fn assert_balanced(ledger: &Snapshot) {
    ledger.check().unwrap();
    assert_eq!(ledger.in_flight, 0, "{ledger}");
    let of_tail = ledger.tail_not_sampled + ledger.tail_dropped;
    let outcomes = ledger.exported + ledger.dropped_total() + ledger.sampled_out + of_tail;
    assert_eq!(ledger.created, outcomes, "{ledger}");
}

/// The counts once no span is in flight.
pub fn when_idle(spanwise: &Spanwise) -> Snapshot {
    until("no span is in flight", || spanwise.ledger().in_flight == 0);
    spanwise.ledger()
}

/// Waits until `reached` returns true.
pub fn until(what: &str, reached: impl Fn() -> bool) {
    let patience = Instant::now() + LONG;
    while !reached() {
        assert!(Instant::now() < patience, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The only span of this name.
#[track_caller]
pub fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:?}");
    found[0]
}

/// The attribute `key` of a span.
pub fn attribute(span: &Span, key: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

/// A text as an attribute's value.
pub fn text(value: &str) -> Option<Value> {
    Some(Value::StringValue(value.to_owned()))
}

/// Checks that `child` is a child of `parent`.
#[track_caller]
pub fn assert_child(child: &Span, parent: &Span) {
    assert_eq!((&child.trace_id, &child.parent_span_id), (&parent.trace_id, &parent.span_id));
}
