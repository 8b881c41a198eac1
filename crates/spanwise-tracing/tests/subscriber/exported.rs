//! A provider whose exported spans a test reads.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_sdk::{Bytes, OnFull, Outcome, Report, Spanwise};
use spanwise_testkit::{attributes_map, decode, spans};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest wait for memory: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Exporting {
    pub spanwise: Spanwise,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

pub struct Exported {
    pub report: Report,
    pub spans: Vec<Span>,
}

impl Exporting {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(
        change: impl FnOnce(spanwise_sdk::SpanwiseBuilder) -> spanwise_sdk::SpanwiseBuilder,
    ) -> Self {
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let sink = requests.clone();
        let builder = Spanwise::builder()
            .with_environment(|_| None)
            .with_on_full(OnFull::Wait(PATIENCE))
            .with_sink(move |request: Bytes| {
                sink.lock().unwrap().push(decode(&request));
                std::future::ready(Outcome::Accepted { rejected: 0, message: None })
            });
        Self { spanwise: change(builder).build().unwrap(), requests }
    }

    /// Shuts down, and returns all spans by their order of creation.
    pub fn finish(self) -> Exported {
        let report = self.spanwise.shutdown().unwrap();
        let requests = self.requests.lock().unwrap();
        let mut spans: Vec<Span> = requests.iter().flat_map(spans).cloned().collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        Exported { report, spans }
    }
}

impl Exported {
    #[track_caller]
    pub fn span(&self, name: &str) -> &Span {
        let mut spans = self.spans.iter().filter(|span| span.name == name);
        let (Some(span), None) = (spans.next(), spans.next()) else {
            panic!("{name} was not exported once: {:?}", self.names());
        };
        span
    }

    pub fn names(&self) -> Vec<&str> {
        self.spans.iter().map(|span| span.name.as_str()).collect()
    }

    /// The name of a span's parent.
    pub fn parent(&self, name: &str) -> Option<&str> {
        let parent = &self.span(name).parent_span_id;
        self.spans.iter().find(|span| span.span_id == *parent).map(|span| span.name.as_str())
    }

    /// The attributes of a span, as text.
    pub fn attributes(&self, name: &str) -> BTreeMap<&str, String> {
        texts(&self.span(name).attributes)
    }
}

pub fn texts(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
) -> BTreeMap<&str, String> {
    attributes_map(attributes).into_iter().map(|(key, value)| (key, text(value))).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}
