//! Encoding of finished spans to the bytes of a request.

use spanwise::wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise::wire::{
    Chunk, Framer, RequestLimits, SpanFlags, SpanId, SpanKind, SpanLimits, SpanMeta, TraceFlags,
    TraceId, Value,
};
use spanwise_bench_harness::{Request, Subject, Tally};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// 512 spans of w3 in chunks, as the worker has them when it makes a request.
pub(crate) struct Encode {
    chunks: Vec<Chunk>,
    resource: Vec<u8>,
    scope: Vec<u8>,
    spans: AtomicU64,
}

impl Encode {
    pub(crate) fn new() -> Self {
        let request = Request::sample();
        let (mut writer, mut chunks) = (SpanWriter::new(), Vec::new());
        for index in 0..BATCH {
            let header = write(&mut writer, &request, index);
            let span = writer.finish(&header);
            if chunks.last().is_none_or(|chunk: &Chunk| !chunk.fits(span.encoded_len())) {
                chunks.push(Chunk::with_capacity(64 << 10, 1024));
            }
            let meta = SpanMeta { trace_id: header.trace_id, ..SpanMeta::default() };
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(&span, meta);
            }
        }
        let service = [("service.name", Value::Str("bench"))];
        Self {
            chunks,
            resource: encode_resource(service, ""),
            scope: encode_scope("bench", "", [] as [(&str, Value<'_>); 0], ""),
            spans: AtomicU64::new(0),
        }
    }
}

impl Subject for Encode {
    fn run(&self, ops: u64) {
        let mut spans = 0;
        for _ in 0..ops {
            let chunks: Vec<_> = self.chunks.iter().collect();
            let mut framer = Framer::new(&self.resource, |_| &self.scope, RequestLimits::default());
            framer.frame(&chunks, |request| spans += black_box(request).spans());
        }
        self.spans.fetch_add(spans, SeqCst);
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.spans.load(SeqCst), ..Tally::default() }
    }
}

/// The `index`th span of many requests, but for its end.
pub(crate) fn write(writer: &mut SpanWriter, request: &Request, index: u64) -> SpanHeader {
    let limits = SpanLimits::default();
    let (trace, place) = (index / 5, index % 5);
    let (name, attributes) = attributes(request, place);
    writer.begin(&limits, name);
    for (key, value) in &attributes {
        writer.attribute(&limits, key, value);
    }
    if place == 1 {
        let attributes =
            [("cache.key", Value::Str(&request.cache_key)), ("cache.tier", Value::I64(2))];
        writer.event(&limits, START, "cache miss", attributes);
    }
    SpanHeader {
        trace_id: TraceId((u128::from(trace) + 1) << 64 | 0x9e37_79b9_7f4a_7c15),
        span_id: SpanId(index + 1),
        parent_span_id: SpanId(if place == 0 { 0 } else { trace * 5 + 1 }),
        kind: if place == 0 { SpanKind::Server } else { SpanKind::Client },
        start_unix_nanos: START,
        end_unix_nanos: START + 1000 * index,
        flags: SpanFlags::new(TraceFlags::SAMPLED, false),
    }
}

/// The name and the attributes of the span at a place of a request.
pub(crate) fn attributes(
    request: &Request,
    place: u64,
) -> (&'static str, Vec<(&'static str, Value<'_>)>) {
    match place.checked_sub(1).and_then(|child| request.statements.get(child as usize)) {
        None => (
            "GET /users/{id}/orders",
            vec![
                ("http.request.method", Value::Str("GET")),
                ("url.scheme", Value::Str("https")),
                ("url.path", Value::Str(&request.path)),
                ("http.route", Value::Str(&request.route)),
                ("server.address", Value::Str(&request.host)),
                ("server.port", Value::I64(443)),
                ("network.protocol.version", Value::Str("1.1")),
                ("client.address", Value::Str(&request.client)),
                ("user_agent.original", Value::Str(&request.agent)),
                ("http.response.status_code", Value::I64(200)),
            ],
        ),
        Some(statement) => (
            statement.operation,
            vec![
                ("db.system.name", Value::Str("postgresql")),
                ("db.query.text", Value::Str(&statement.text)),
                ("db.collection.name", Value::Str(&statement.collection)),
                ("db.response.returned_rows", Value::I64(statement.rows)),
            ],
        ),
    }
}

const BATCH: u64 = 512;
const START: u64 = 1_790_000_000_000_000_000;
