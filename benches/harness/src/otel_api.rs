//! The workloads' spans through the OpenTelemetry API: one code for every tracer behind it.

use crate::operations::Operations;
use crate::request::Request;
use crate::workload::Shape;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanKind, TraceContextExt as _, Tracer, get_active_span,
};
use opentelemetry::{Context, KeyValue};
use std::cell::Cell;

/// Makes `ops` operations; under a ratio it counts those that are sampled.
#[inline(always)]
pub fn run<T>(tracer: &T, operations: &Operations, ops: u64)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    if operations.has_ratio() {
        let counting = Counting { tracer, sampled: Cell::new(0) };
        run_shape(&counting, operations, ops);
        operations.add_sampled(counting.sampled.get());
    } else {
        run_shape(tracer, operations, ops);
    }
}

#[inline(always)]
fn run_shape<T>(tracer: &T, operations: &Operations, ops: u64)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let request = operations.request();
    match operations.shape() {
        Shape::Root => repeat(ops, || root(tracer)),
        Shape::RootInSpan => repeat(ops, || root_in_span(tracer)),
        Shape::Request => repeat(ops, || self::request(tracer, request)),
        Shape::RequestByBuilder => repeat(ops, || request_by_builder(tracer, request)),
        Shape::RequestInSpan => repeat(ops, || request_in_span(tracer, request)),
    }
}

/// The loop of one shape, a function of its own: one function with the loops of all shapes would spend more
/// instructions in each of them.
#[inline(never)]
fn repeat(ops: u64, operation: impl Fn()) {
    (0..ops).for_each(|_| operation());
}

/// Counts the sampled root spans of a tracer, by the question that instrumented code asks and not by any
/// tracer's own counts.
struct Counting<'a, T> {
    tracer: &'a T,
    sampled: Cell<u64>,
}

impl<T: Tracer> Tracer for Counting<'_, T> {
    type Span = T::Span;

    #[inline(always)]
    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> T::Span {
        let is_root = !parent_cx.has_active_span();
        let span = self.tracer.build_with_context(builder, parent_cx);
        if is_root && span.span_context().is_sampled() {
            self.sampled.set(self.sampled.get() + 1);
        }
        span
    }
}

/// w1: a root span with two attributes.
#[inline(always)]
fn root<T: Tracer>(tracer: &T) {
    let mut span = tracer.start("op");
    span.set_attribute(KeyValue::new("http.method", "GET"));
    span.set_attribute(KeyValue::new("http.status", 200));
    span.end();
}

/// w1 by `in_span`, which makes the span current.
#[inline(always)]
fn root_in_span<T>(tracer: &T)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    tracer.in_span("op", |cx| {
        let span = cx.span();
        span.set_attribute(KeyValue::new("http.method", "GET"));
        span.set_attribute(KeyValue::new("http.status", 200));
    });
}

/// w3: five spans, 26 attributes, one event with two more.
#[inline(always)]
pub fn request<T>(tracer: &T, request: &Request)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let builder = SpanBuilder::from_name("GET /users/{id}/orders").with_kind(SpanKind::Server);
    let mut server = tracer.build_with_context(builder, &Context::new());
    server.set_attribute(KeyValue::new("http.request.method", "GET"));
    server.set_attribute(KeyValue::new("url.scheme", "https"));
    server.set_attribute(KeyValue::new("url.path", request.path.clone()));
    server.set_attribute(KeyValue::new("http.route", request.route.clone()));
    server.set_attribute(KeyValue::new("server.address", request.host.clone()));
    server.set_attribute(KeyValue::new("server.port", 443));
    server.set_attribute(KeyValue::new("network.protocol.version", "1.1"));
    server.set_attribute(KeyValue::new("client.address", request.client.clone()));
    server.set_attribute(KeyValue::new("user_agent.original", request.agent.clone()));
    server.set_attribute(KeyValue::new("http.response.status_code", 200));
    let cx = Context::new().with_span(server);
    for (index, statement) in request.statements.iter().enumerate() {
        let builder = SpanBuilder::from_name(statement.operation).with_kind(SpanKind::Client);
        let mut child = tracer.build_with_context(builder, &cx);
        child.set_attribute(KeyValue::new("db.system.name", "postgresql"));
        child.set_attribute(KeyValue::new("db.query.text", statement.text.clone()));
        child.set_attribute(KeyValue::new("db.collection.name", statement.collection.clone()));
        child.set_attribute(KeyValue::new("db.response.returned_rows", statement.rows));
        if index == 0 {
            child.add_event(
                "cache miss",
                vec![
                    KeyValue::new("cache.key", request.cache_key.clone()),
                    KeyValue::new("cache.tier", 2),
                ],
            );
        }
        child.end();
    }
}

/// w3 as an instrumented service writes it: the builder gets the attributes, the server span is the
/// current one while its children start, and its last attribute follows the response. The texts of the
/// request are owned, those of the code are literals: about one half each.
#[inline(always)]
fn request_by_builder<T>(tracer: &T, request: &Request)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let server = tracer
        .span_builder("GET /users/{id}/orders")
        .with_kind(SpanKind::Server)
        .with_attributes(vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.scheme", "https"),
            KeyValue::new("url.path", request.path.clone()),
            KeyValue::new("http.route", request.route.clone()),
            KeyValue::new("server.address", request.host.clone()),
            KeyValue::new("server.port", 443),
            KeyValue::new("network.protocol.version", "1.1"),
            KeyValue::new("client.address", request.client.clone()),
            KeyValue::new("user_agent.original", request.agent.clone()),
        ])
        .start(tracer);
    let _current = Context::current_with_span(server).attach();
    for (index, statement) in request.statements.iter().enumerate() {
        let builder = tracer
            .span_builder(statement.operation)
            .with_kind(SpanKind::Client)
            .with_attributes(vec![
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.text", statement.text.clone()),
                KeyValue::new("db.collection.name", statement.table),
                KeyValue::new("db.response.returned_rows", statement.rows),
            ]);
        let mut child = tracer.build(builder);
        if index == 0 {
            child.add_event("cache miss", cache_miss(request));
        }
        child.end();
    }
    get_active_span(|server| {
        server.set_attribute(KeyValue::new("http.response.status_code", 200));
    });
}

/// The same request by `in_span`, which makes every child current, too.
#[inline(always)]
fn request_in_span<T>(tracer: &T, request: &Request)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    tracer.in_span("GET /users/{id}/orders", |cx| {
        let server = cx.span();
        server.set_attribute(KeyValue::new("http.request.method", "GET"));
        server.set_attribute(KeyValue::new("url.scheme", "https"));
        server.set_attribute(KeyValue::new("url.path", request.path.clone()));
        server.set_attribute(KeyValue::new("http.route", request.route.clone()));
        server.set_attribute(KeyValue::new("server.address", request.host.clone()));
        server.set_attribute(KeyValue::new("server.port", 443));
        server.set_attribute(KeyValue::new("network.protocol.version", "1.1"));
        server.set_attribute(KeyValue::new("client.address", request.client.clone()));
        server.set_attribute(KeyValue::new("user_agent.original", request.agent.clone()));
        for (index, statement) in request.statements.iter().enumerate() {
            tracer.in_span(statement.operation, |cx| {
                let child = cx.span();
                child.set_attribute(KeyValue::new("db.system.name", "postgresql"));
                child.set_attribute(KeyValue::new("db.query.text", statement.text.clone()));
                child.set_attribute(KeyValue::new("db.collection.name", statement.table));
                child.set_attribute(KeyValue::new("db.response.returned_rows", statement.rows));
                if index == 0 {
                    child.add_event("cache miss", cache_miss(request));
                }
            });
        }
        server.set_attribute(KeyValue::new("http.response.status_code", 200));
    });
}

#[inline(always)]
fn cache_miss(request: &Request) -> Vec<KeyValue> {
    vec![KeyValue::new("cache.key", request.cache_key.clone()), KeyValue::new("cache.tier", 2)]
}
