//! Destinations and requests for tests.

use super::batch::{Batch, framed};
use super::queue::Queue;
use super::sender::run_one;
use crate::memory::{Memory, Shares};
use crate::settings::{DestinationSettings, MemoryLimit, Target};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use spanwise_ledger::Snapshot;
use spanwise_transport::{Failure, Outcome, PREFIX, ResponseStatus, Transport, TransportBuilder};
use spanwise_wire::read::TraceRequest;
use std::sync::{Arc, Mutex, MutexGuard};

/// A destination in this process, which a test switches.
#[derive(Clone, Default)]
pub(super) struct Backend(Arc<Mutex<Behaviour>>);

pub(super) struct Behaviour {
    /// Requests that it accepts before it is down.
    pub(super) accepts: usize,
    /// It refuses larger ones as too large.
    pub(super) max_bytes: usize,
    /// It refuses requests with one of these names as invalid, or a firewall as forbidden.
    pub(super) refused_names: Vec<String>,
    pub(super) has_firewall: bool,
    /// It refuses all requests, because of their credentials.
    pub(super) is_unauthorized: bool,
    pub(super) attempts: usize,
    pub(super) spans: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            accepts: usize::MAX,
            max_bytes: usize::MAX,
            refused_names: Vec::new(),
            has_firewall: false,
            is_unauthorized: false,
            attempts: 0,
            spans: 0,
        }
    }
}

impl Backend {
    pub(super) fn lock(&self) -> MutexGuard<'_, Behaviour> {
        self.0.lock().unwrap()
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.lock().accepts = if is_up { usize::MAX } else { 0 };
    }

    /// Refuses requests of more than `max_bytes` bytes, and is down after it has accepted `accepts` others.
    pub(super) fn set(&self, max_bytes: usize, accepts: usize) {
        let mut behaviour = self.lock();
        (behaviour.max_bytes, behaviour.accepts) = (max_bytes, accepts);
    }

    pub(super) fn transport(&self) -> Transport {
        let backend = self.clone();
        let sink = move |request: Bytes| {
            let outcome = backend.take(&request);
            async move { outcome }
        };
        TransportBuilder::default().with_sink(sink).build().unwrap()
    }

    fn take(&self, request: &Bytes) -> Outcome {
        let mut behaviour = self.lock();
        behaviour.attempts += 1;
        if request.len() > behaviour.max_bytes {
            return Outcome::Failed(Failure::TooLarge);
        }
        if behaviour.is_unauthorized {
            let status = ResponseStatus::Http(401);
            return Outcome::Failed(Failure::Rejected { status });
        }
        let has = |name: &String| request.windows(name.len()).any(|it| it == name.as_bytes());
        if behaviour.refused_names.iter().any(has) {
            let status = ResponseStatus::Http(if behaviour.has_firewall { 403 } else { 400 });
            return Outcome::Failed(Failure::Rejected { status });
        }
        if behaviour.accepts == 0 {
            return Outcome::Failed(Failure::AmbiguousTimeout);
        }
        behaviour.accepts -= 1;
        behaviour.spans += TraceRequest::new(request).count_spans().unwrap();
        Outcome::Accepted { rejected: 0, message: None }
    }
}

/// A queue with its memory.
pub(super) struct Queued {
    pub(super) queue: Arc<Queue>,
    pub(super) memory: Memory,
}

impl Queued {
    pub(super) fn new(transport: Transport) -> Self {
        let memory = memory();
        let settings = DestinationSettings::new("one", Target::Debug);
        Self { queue: Arc::new(Queue::new(&settings, transport, &memory)), memory }
    }

    /// Adds a request of `spans` spans.
    pub(super) fn push(&self, spans: u64) {
        self.queue.push(self.batch(&message(spans, 0), spans));
    }

    pub(super) fn batch(&self, message: &[u8], spans: u64) -> Batch {
        let request = framed([&[0; PREFIX][..], message].concat(), ()).unwrap();
        Batch::new(request, spans, self.queue.tickets(spans))
    }

    /// Sends what may be sent, as a sender does; returns the number of requests.
    pub(super) async fn send(&self) -> usize {
        let mut requests = 0;
        while let Some(batch) = self.queue.take() {
            run_one(&self.queue, &self.memory, batch).await;
            requests += 1;
        }
        requests
    }

    pub(super) fn ledger(&self) -> Snapshot {
        self.queue.ledger().snapshot()
    }
}

pub(super) fn memory() -> Memory {
    Memory::new(&Shares::new(MemoryLimit::Bytes(64 << 20), 1, None).unwrap())
}

/// A request of `spans` spans and a resource of `resource_bytes` bytes.
pub(super) fn message(spans: u64, resource_bytes: usize) -> Vec<u8> {
    let span = |number: u64| Span {
        trace_id: vec![1; 16],
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: format!("span {number}"),
        ..Span::default()
    };
    let scope_spans = ScopeSpans { spans: (0..spans).map(span).collect(), ..Default::default() };
    let attribute = opentelemetry_proto::tonic::common::v1::KeyValue {
        key: "r".repeat(resource_bytes),
        ..Default::default()
    };
    let resource = Resource { attributes: vec![attribute], ..Default::default() };
    let resource_spans = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}
