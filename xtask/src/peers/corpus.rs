//! The spans of a case: made by Spanwise, and expected as the stock SDK encodes them.

use super::normal::Request;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use prost::Message as _;
use spanwise::sampling::Sampler;
use spanwise::{Spanwise, SpanwiseBuilder};
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::{Details, SpanSpec, replay_on, stock_request};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Spans of everything that the API can express, the same in every run.
pub(crate) struct Corpus {
    spans: Vec<(SpanSpec, ResourceSpans)>,
    repeats: usize,
}

/// The spans of one case.
pub(crate) struct Sent {
    /// The spans that have to arrive.
    pub(crate) expected: Request,
    pub(crate) spans: usize,
}

impl Sent {
    /// Bytes of the spans without compression.
    pub(crate) fn bytes(&self) -> usize {
        self.expected.encoded_len()
    }
}

/// The variables of one case, `OTEL_…` and their values.
pub(crate) type Variables = BTreeMap<&'static str, String>;

impl Corpus {
    pub(crate) fn new() -> Result<Self, String> {
        let shape = Shape { sampled_parents: true, ..Shape::default() };
        let specs = span_specs(&shape, SPANS..SPANS + 1);
        let specs =
            specs.new_tree(&mut TestRunner::deterministic()).map_err(|it| it.to_string())?;
        Self::of(specs.current(), REPEATS)
    }

    /// Spans of half a MiB each.
    pub(crate) fn large() -> Result<Self, String> {
        let text = |index| KeyValue::new(format!("text.{index}"), "long ".repeat(12_000));
        let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let spec = SpanSpec {
            scope: InstrumentationScope::default(),
            parent: None,
            name: "large".to_owned(),
            kind: SpanKind::Internal,
            start,
            end: start,
            at_start: Details { attributes: (0..8).map(text).collect(), ..Details::default() },
            later: Details::default(),
            status: Status::Unset,
            new_name: None,
        };
        Self::of(vec![spec], LARGE)
    }

    fn of(specs: Vec<SpanSpec>, repeats: usize) -> Result<Self, String> {
        let no_resource = opentelemetry_sdk::Resource::builder_empty().build();
        let encode = |spec: SpanSpec| {
            let request = stock_request(&no_resource, std::slice::from_ref(&spec));
            Some((spec, request.resource_spans.into_iter().next()?))
        };
        let spans: Option<Vec<_>> = specs.into_iter().map(encode).collect();
        Ok(Self { spans: spans.ok_or("the stock SDK did not encode a span")?, repeats })
    }

    /// Builds a provider from the variables alone, makes the spans with it, and shuts it down.
    ///
    /// # Errors
    /// The provider does not start, reports anything, or does not export all spans.
    pub(crate) fn send(&self, service: &str, variables: Variables) -> Result<Sent, String> {
        let (sent, reports) = self.send_reporting(service, variables);
        match (sent, reports.is_empty()) {
            (sent, true) => sent,
            (Ok(_), false) => Err(format!("Spanwise reports: {}", reports.join("; "))),
            (Err(problem), false) => {
                Err(format!("{problem}; Spanwise reports: {}", reports.join("; ")))
            }
        }
    }

    /// As [`send`](Self::send), and returns the provider's reports.
    pub(crate) fn send_reporting(
        &self,
        service: &str,
        variables: Variables,
    ) -> (Result<Sent, String>, Vec<String>) {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let reported = reports.clone();
        let builder = Spanwise::builder()
            .with_environment(move |name| variables.get(name).cloned())
            .with_service_name(service)
            .with_diagnostics(move |report| {
                reported.lock().unwrap_or_else(PoisonError::into_inner).push(report.to_string());
            });
        let sent = self.send_by(builder);
        let reports = std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
        (sent, reports)
    }

    /// As [`send`](Self::send), with a builder and whatever it reports.
    pub(crate) fn send_by(&self, builder: SpanwiseBuilder) -> Result<Sent, String> {
        let spanwise = builder.with_sampler(Sampler::always_on()).build();
        let spanwise = spanwise.map_err(|error| error.to_string())?;
        let sent = self.make(&spanwise);
        let report = spanwise.shutdown_timeout(PATIENCE).map_err(|error| error.to_string())?;
        report.ledger.check().map_err(|error| error.to_string())?;
        if report.ledger.exported != sent.spans as u64 {
            let dropped: Vec<String> = report
                .ledger
                .drops()
                .map(|(reason, spans)| format!("{spans} lost as {}", reason.name()))
                .collect();
            let (exported, dropped) = (report.ledger.exported, dropped.join(", "));
            return Err(format!("{exported} of {} spans exported, {dropped}", sent.spans));
        }
        Ok(sent)
    }

    /// Makes the spans, each a few times: equal spans follow each other, as those of a busy service.
    pub(crate) fn make(&self, spanwise: &Spanwise) -> Sent {
        let mut expected = Request::default();
        for (spec, encoded) in &self.spans {
            for _ in 0..self.repeats {
                let context = replay_on(spanwise, spec);
                let mut group = encoded.clone();
                for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
                    span.trace_id = context.trace_id().to_bytes().to_vec();
                    span.span_id = context.span_id().to_bytes().to_vec();
                }
                expected.resource_spans.push(group);
            }
        }
        Sent { expected, spans: self.spans.len() * self.repeats }
    }
}

const LARGE: usize = 24;
const SPANS: usize = 40;
const REPEATS: usize = 5;
/// Far beyond the time of an export on loopback.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{compare, decoded};
    use spanwise_receiver::Receiver;

    #[test]
    fn a_receiver_gets_the_expected_spans() {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let endpoint = BTreeMap::from([("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())]);
        let corpus = Corpus::new().unwrap();
        let sent = corpus.send("corpus", endpoint.clone()).unwrap();
        assert_eq!((sent.spans, collected.spans()), (200, 200));
        let mut received = Request::default();
        for body in collected.bodies() {
            received.resource_spans.extend(decoded(&body).unwrap().resource_spans);
        }
        assert_eq!(compare(&received, &sent.expected), Ok(()));
        received.resource_spans[0].scope_spans[0].spans.pop();
        assert!(compare(&received, &sent.expected).is_err());
    }

    #[test]
    fn a_report_fails_the_case() {
        let (receiver, _) = Receiver::collecting().unwrap();
        let variables = BTreeMap::from([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli".to_owned()),
        ]);
        let problem = Corpus::new().unwrap().send("corpus", variables).err().unwrap();
        assert!(problem.contains("brotli"), "{problem}");
    }
}
