//! A provider in front of a receiver that keeps what it gets, away from the environment.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{Snapshot, Spanwise, SpanwiseBuilder};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Time for things that happen in milliseconds, on a machine that does ten other things.
pub const LONG: Duration = Duration::from_secs(20);

pub struct Bench {
    pub spanwise: Spanwise,
    pub receiver: Receiver,
    pub collected: Collected,
}

/// A builder that reads no environment and keeps its diagnostics to itself.
pub fn builder() -> SpanwiseBuilder {
    Spanwise::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

/// A provider as `configure` wants it, sending to a receiver of its own.
pub fn bench(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Bench {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let builder = builder().with_endpoint(receiver.http_endpoint());
    let spanwise = configure(builder).build().unwrap();
    Bench { spanwise, receiver, collected }
}

impl Bench {
    /// Shuts down, checks the law, and returns all spans the receiver got, decoded by prost.
    pub fn finish(&self) -> ExportTraceServiceRequest {
        let report = self.spanwise.shutdown_timeout(LONG).unwrap();
        report.ledger.check().unwrap();
        let request = self.received();
        assert_eq!(report.ledger.exported, spanwise_testkit::spans(&request).count() as u64);
        request
    }

    pub fn received(&self) -> ExportTraceServiceRequest {
        let mut all = ExportTraceServiceRequest::default();
        for body in self.collected.bodies() {
            all.resource_spans.extend(spanwise_testkit::decode(&body).resource_spans);
        }
        all
    }
}

/// The law at rest, with nothing in flight.
pub fn settled(ledger: &Snapshot) {
    ledger.check().unwrap();
    assert_eq!(ledger.in_flight, 0);
}

/// The account once nothing is in flight: a worker that gets no processor is late with it.
pub fn rested(spanwise: &Spanwise) -> Snapshot {
    let patience = std::time::Instant::now() + LONG;
    while spanwise.ledger().in_flight > 0 && std::time::Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    spanwise.ledger()
}

/// A place for what diagnostics say.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub fn listen(&self, builder: SpanwiseBuilder) -> SpanwiseBuilder {
        let said = self.0.clone();
        builder
            .with_diagnostics(move |diagnostic| said.lock().unwrap().push(diagnostic.to_string()))
    }

    pub fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
