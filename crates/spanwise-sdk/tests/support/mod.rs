//! A provider that exports to a receiver of its own and reads no environment variables.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]

pub mod full_queue;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{Snapshot, Spanwise, SpanwiseBuilder};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

impl Bench {
    /// Shuts down, checks the ledger's balance, and returns all spans that the receiver got, decoded by
    /// prost.
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

/// Checks that the ledger balances and that no span is in flight.
pub fn assert_idle(ledger: &Snapshot) {
    ledger.check().unwrap();
    assert_eq!(ledger.in_flight, 0);
}

/// The ledger's counts once no span is in flight: a worker that the system did not schedule counts
/// late.
pub fn wait_until_idle(spanwise: &Spanwise) -> Snapshot {
    let patience = std::time::Instant::now() + LONG;
    while spanwise.ledger().in_flight > 0 && std::time::Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    spanwise.ledger()
}

/// A log of the diagnostics of a provider, one printed line each.
#[derive(Clone, Default)]
pub struct DiagnosticLog(Arc<Mutex<Vec<String>>>);

impl DiagnosticLog {
    /// Makes this the diagnostics handler of `builder`.
    pub fn attach(&self, builder: SpanwiseBuilder) -> SpanwiseBuilder {
        let lines = self.0.clone();
        builder
            .with_diagnostics(move |diagnostic| lines.lock().unwrap().push(diagnostic.to_string()))
    }

    pub fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
