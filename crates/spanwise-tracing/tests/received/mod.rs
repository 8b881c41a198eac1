//! A provider whose requests stay in memory, and the spans in them.

#![allow(clippy::unwrap_used, dead_code, reason = "each test uses a part of it")]

pub mod ids;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use spanwise_sdk::Snapshot as LedgerSnapshot;
use spanwise_sdk::{Bytes, Outcome, Spanwise, SpanwiseBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A provider and what its sink has received.
pub struct Receiver {
    pub spanwise: Spanwise,
    requests: Arc<Mutex<Vec<Bytes>>>,
}

/// An exported span, decoded by prost.
#[derive(Debug, Clone)]
pub struct Received {
    pub name: String,
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// `INVALID` for a root.
    pub parent: SpanId,
    pub trace_state: String,
    pub flags: u32,
    pub kind: i32,
    pub status: i32,
    pub message: String,
    /// Each value as `IntValue(1)` or `StringValue("text")`.
    pub attributes: BTreeMap<String, String>,
    pub events: Vec<String>,
    pub links: Vec<SpanId>,
    pub dropped_attributes: u32,
    pub nanos: u64,
}

impl Receiver {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let sink = requests.clone();
        let builder = Spanwise::builder().with_environment(|_| None).with_sink(move |request| {
            sink.lock().unwrap().push(request);
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        });
        Self { spanwise: change(builder).build().unwrap(), requests }
    }

    /// Shuts the provider down; the spans by their order, and the account, which balances.
    pub fn finish(self) -> (Vec<Received>, LedgerSnapshot) {
        let report = self.spanwise.shutdown().unwrap();
        report.ledger.check().unwrap();
        let spans: Vec<_> = self.requests.lock().unwrap().iter().flat_map(decoded).collect();
        assert_eq!(spans.len() as u64, report.ledger.exported);
        (spans, report.ledger)
    }

    /// The only span.
    pub fn finish_one(self) -> (Received, LedgerSnapshot) {
        let (mut spans, ledger) = self.finish();
        assert_eq!(spans.len(), 1, "{spans:?}");
        (spans.remove(0), ledger)
    }
}

fn decoded(request: &Bytes) -> Vec<Received> {
    let request = spanwise_testkit::decode(request);
    let span_id = |bytes: &[u8]| SpanId::from_bytes(bytes.try_into().unwrap_or_default());
    spanwise_testkit::spans(&request)
        .map(|span| Received {
            name: span.name.clone(),
            trace_id: TraceId::from_bytes(span.trace_id.as_slice().try_into().unwrap()),
            span_id: span_id(&span.span_id),
            parent: span_id(&span.parent_span_id),
            trace_state: span.trace_state.clone(),
            flags: span.flags,
            kind: span.kind,
            status: span.status.as_ref().map_or(0, |status| status.code),
            message: span.status.as_ref().map_or(String::new(), |status| status.message.clone()),
            attributes: spanwise_testkit::attributes_map(&span.attributes)
                .into_iter()
                .map(|(key, value)| (key.to_owned(), text(&format!("{:?}", value.value))))
                .collect(),
            events: span.events.iter().map(|event| event.name.clone()).collect(),
            links: span.links.iter().map(|link| span_id(&link.span_id)).collect(),
            dropped_attributes: span.dropped_attributes_count,
            nanos: span.end_time_unix_nano - span.start_time_unix_nano,
        })
        .collect()
}

fn text(value: &str) -> String {
    value.trim_start_matches("Some(").strip_suffix(')').unwrap_or(value).to_owned()
}

/// The span with this name.
pub fn named<'a>(spans: &'a [Received], name: &str) -> &'a Received {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

/// A remote span context.
pub fn remote(sampled: bool, trace_state: &[(&str, &str)]) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let state = TraceState::from_key_value(trace_state.iter().copied()).unwrap();
    SpanContext::new(TRACE, PARENT, flags, true, state)
}

/// A context with a remote span.
pub fn below(parent: SpanContext) -> Context {
    Context::new().with_remote_span_context(parent)
}

pub const TRACE: TraceId = TraceId::from_bytes([0x5b; 16]);
pub const PARENT: SpanId = SpanId::from_bytes([0xee; 8]);
