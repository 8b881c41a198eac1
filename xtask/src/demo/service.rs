//! The simulated service: what one request does, traced or not.

use super::histogram::Histogram;
use super::process::Cpu;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind as ApiKind, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use spanwise::{SpanKind, Tracer, Value};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How requests are traced.
pub(crate) enum Tracing {
    Off,
    Api(Tracer),
    Native(Tracer),
}

/// The results of a run.
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Of one child span: start, four attributes, end.
    pub(crate) span_nanos: Histogram,
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    started: Instant,
    cpu_started: Cpu,
}

impl Tally {
    pub(crate) fn start() -> Self {
        Self {
            requests: 0,
            span_nanos: Histogram::new(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            started: Instant::now(),
            cpu_started: Cpu::now(),
        }
    }

    pub(crate) fn stop(&mut self) {
        self.elapsed = self.elapsed.max(self.started.elapsed());
        self.cpu = self.cpu.max(self.cpu_started.elapsed());
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.span_nanos.merge(&other.span_nanos);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu = self.cpu.max(other.cpu);
    }

    pub(super) fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Spans of a traced request.
pub(crate) const SPANS_PER_REQUEST: u64 = 5;

pub(crate) struct Service {
    /// Stands for what a handler touches.
    page: Vec<u8>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self { page: (0..64).collect() }
    }

    /// One request; one in `sample` has a span timed, which costs two clock reads itself.
    pub(crate) fn request(&self, tracing: &Tracing, tally: &mut Tally, sample: u64) {
        tally.requests += 1;
        let timed = tally.requests.is_multiple_of(sample);
        match tracing {
            Tracing::Off => self.untraced(),
            Tracing::Api(tracer) => self.through_the_api(tracer, tally, timed),
            Tracing::Native(tracer) => self.native(tracer, tally, timed),
        }
    }

    /// A little hashing: a real handler does more, which would flatter the tracing.
    fn work(&self) -> u64 {
        self.page.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    fn untraced(&self) {
        for _ in 0..CHILDREN.len() {
            black_box(self.work());
        }
    }

    fn through_the_api(&self, tracer: &Tracer, tally: &mut Tally, timed: bool) {
        let server = SpanBuilder::from_name("GET /users/{id}").with_kind(ApiKind::Server);
        let mut server = tracer.build_with_context(server, &Context::new());
        server.set_attribute(KeyValue::new("http.request.method", "GET"));
        server.set_attribute(KeyValue::new("url.path", "/users/4711/orders"));
        server.set_attribute(KeyValue::new("url.scheme", "https"));
        server.set_attribute(KeyValue::new("http.route", "/users/{id}/orders"));
        server.set_attribute(KeyValue::new("server.address", "shop.example.com"));
        server.set_attribute(KeyValue::new("server.port", 443));
        server.set_attribute(KeyValue::new("network.protocol.version", "1.1"));
        server.set_attribute(KeyValue::new("client.address", "203.0.113.7"));
        server.set_attribute(KeyValue::new("user_agent.original", USER_AGENT));
        let cx = Context::new().with_span(server);
        for (index, (name, rows)) in CHILDREN.iter().enumerate() {
            let start = (timed && index == 1).then(Instant::now);
            let child = SpanBuilder::from_name(*name).with_kind(ApiKind::Client);
            let mut child = tracer.build_with_context(child, &cx);
            child.set_attribute(KeyValue::new("db.system.name", "postgresql"));
            child.set_attribute(KeyValue::new("db.operation.name", *name));
            child.set_attribute(KeyValue::new("db.collection.name", "orders"));
            child.set_attribute(KeyValue::new("db.response.returned_rows", *rows));
            if index == 0 {
                child.add_event("cache miss", vec![KeyValue::new("cache.key", "user:4711")]);
            }
            if let Some(start) = start {
                child.end();
                tally.span_nanos.record(start.elapsed().as_nanos() as u64);
            }
            black_box(self.work());
        }
        cx.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    }

    fn native(&self, tracer: &Tracer, tally: &mut Tally, timed: bool) {
        let mut server = tracer.root("GET /users/{id}", SpanKind::Server);
        server
            .attribute("http.request.method", "GET")
            .attribute("url.path", "/users/4711/orders")
            .attribute("url.scheme", "https")
            .attribute("http.route", "/users/{id}/orders")
            .attribute("server.address", "shop.example.com")
            .attribute("server.port", 443)
            .attribute("network.protocol.version", "1.1")
            .attribute("client.address", "203.0.113.7")
            .attribute("user_agent.original", USER_AGENT);
        for (index, (name, rows)) in CHILDREN.iter().enumerate() {
            let start = (timed && index == 1).then(Instant::now);
            let mut child = tracer.child(name, SpanKind::Client, server.context());
            child
                .attribute("db.system.name", "postgresql")
                .attribute("db.operation.name", name)
                .attribute("db.collection.name", "orders")
                .attribute("db.response.returned_rows", rows);
            if index == 0 {
                child.event("cache miss", &[("cache.key", Value::Str("user:4711"))]);
            }
            child.finish();
            if let Some(start) = start {
                tally.span_nanos.record(start.elapsed().as_nanos() as u64);
            }
            black_box(self.work());
        }
        server.attribute("http.response.status_code", 200);
        server.finish();
    }
}

/// Name of each child, and its number of returned rows.
const CHILDREN: [(&str, i64); 4] = [("SELECT", 1), ("SELECT", 25), ("INSERT", 1), ("UPDATE", 3)];
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
