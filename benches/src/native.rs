//! The workloads' spans through Spanwise's own methods.

use opentelemetry::trace::{TraceContextExt as _, get_active_span};
use opentelemetry::{Context, KeyValue};
use spanwise::{Span, SpanKind, Tracer, Value};
use spanwise_bench_harness::{Operations, Request, Shape, Statement};

/// Makes `ops` operations.
#[inline(always)]
pub(crate) fn run(tracer: &Tracer, operations: &Operations, ops: u64) {
    let request = operations.request();
    match operations.shape() {
        Shape::Root if operations.has_ratio() => {
            operations.add_sampled(count(ops, || root_and(tracer, is_sampled)));
        }
        Shape::Request if operations.has_ratio() => {
            operations.add_sampled(count(ops, || request_and(tracer, request, is_sampled)));
        }
        Shape::Root => repeat(ops, || root_and(tracer, |_| ())),
        Shape::RootInSpan => repeat(ops, || root_in_span(tracer)),
        Shape::Request => repeat(ops, || request_and(tracer, request, |_| ())),
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

/// The same with the number of operations that returned true.
#[inline(never)]
fn count(ops: u64, operation: impl Fn() -> bool) -> u64 {
    (0..ops).map(|_| u64::from(operation())).sum()
}

fn is_sampled(span: &Span) -> bool {
    span.context().is_sampled()
}

/// w1: a root span with two attributes. `read` reads it before its end.
#[inline(always)]
fn root_and<R>(tracer: &Tracer, read: impl FnOnce(&Span) -> R) -> R {
    let mut span = tracer.root("op", SpanKind::Internal);
    span.attribute("http.method", "GET").attribute("http.status", 200);
    let read = read(&span);
    span.finish();
    read
}

/// w1 as the current span until it ends.
#[inline(always)]
fn root_in_span(tracer: &Tracer) {
    let mut span = tracer.root("op", SpanKind::Internal);
    span.attribute("http.method", "GET").attribute("http.status", 200);
    drop(Context::current_with_span(span).attach());
}

/// w3: five spans, 26 attributes, one event with two more. `read` reads the server span before its
/// children start.
#[inline(always)]
fn request_and<R>(tracer: &Tracer, request: &Request, read: impl FnOnce(&Span) -> R) -> R {
    let mut server = tracer.root("GET /users/{id}/orders", SpanKind::Server);
    server
        .attribute("http.request.method", "GET")
        .attribute("url.scheme", "https")
        .attribute("url.path", request.path.as_str())
        .attribute("http.route", request.route.as_str())
        .attribute("server.address", request.host.as_str())
        .attribute("server.port", 443)
        .attribute("network.protocol.version", "1.1")
        .attribute("client.address", request.client.as_str())
        .attribute("user_agent.original", request.agent.as_str())
        .attribute("http.response.status_code", 200);
    let read = read(&server);
    for (index, statement) in request.statements.iter().enumerate() {
        let mut child = tracer.child(statement.operation, SpanKind::Client, server.context());
        child
            .attribute("db.system.name", "postgresql")
            .attribute("db.query.text", statement.text.as_str())
            .attribute("db.collection.name", statement.collection.as_str())
            .attribute("db.response.returned_rows", statement.rows);
        if index == 0 {
            cache_miss(&mut child, request);
        }
        child.finish();
    }
    server.finish();
    read
}

/// w3 with the server span as the current one. Native spans have no builder: borrowed attributes take its
/// place.
#[inline(always)]
fn request_by_builder(tracer: &Tracer, request: &Request) {
    let _current = Context::current_with_span(server(tracer, request)).attach();
    for (index, statement) in request.statements.iter().enumerate() {
        let mut child = below_current(tracer, statement);
        if index == 0 {
            cache_miss(&mut child, request);
        }
        child.finish();
    }
    respond();
}

/// The same with every span as the current one until it ends.
#[inline(always)]
fn request_in_span(tracer: &Tracer, request: &Request) {
    let _current = Context::current_with_span(server(tracer, request)).attach();
    for (index, statement) in request.statements.iter().enumerate() {
        let mut child = below_current(tracer, statement);
        if index == 0 {
            cache_miss(&mut child, request);
        }
        drop(Context::current_with_span(child).attach());
    }
    respond();
}

/// The server span of w3 without the status of the response.
#[inline(always)]
fn server(tracer: &Tracer, request: &Request) -> Span {
    let mut server = tracer.root("GET /users/{id}/orders", SpanKind::Server);
    server
        .attribute("http.request.method", "GET")
        .attribute("url.scheme", "https")
        .attribute("url.path", request.path.as_str())
        .attribute("http.route", request.route.as_str())
        .attribute("server.address", request.host.as_str())
        .attribute("server.port", 443)
        .attribute("network.protocol.version", "1.1")
        .attribute("client.address", request.client.as_str())
        .attribute("user_agent.original", request.agent.as_str());
    server
}

/// A child of the current span.
#[inline(always)]
fn below_current(tracer: &Tracer, statement: &Statement) -> Span {
    let mut child = get_active_span(|server| {
        tracer.child(statement.operation, SpanKind::Client, server.span_context())
    });
    query(&mut child, statement);
    child
}

#[inline(always)]
fn query(child: &mut Span, statement: &Statement) {
    child
        .attribute("db.system.name", "postgresql")
        .attribute("db.query.text", statement.text.as_str())
        .attribute("db.collection.name", statement.collection.as_str())
        .attribute("db.response.returned_rows", statement.rows);
}

/// The only caller of `event`, which is inlined here for that reason.
#[inline(never)]
fn cache_miss(child: &mut Span, request: &Request) {
    let key = Value::Str(&request.cache_key);
    child.event("cache miss", &[("cache.key", key), ("cache.tier", Value::I64(2))]);
}

/// The status of the response, set on the current span.
#[inline(always)]
fn respond() {
    get_active_span(|server| {
        server.set_attribute(KeyValue::new("http.response.status_code", 200));
    });
}
