//! The workloads' spans through the OpenTelemetry API: one code for every tracer behind it.

use crate::request::Request;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, TraceContextExt as _, Tracer};
use opentelemetry::{Context, KeyValue};

/// w1: a root span with two attributes.
#[inline(always)]
pub fn root<T: Tracer>(tracer: &T) {
    let mut span = tracer.start("op");
    span.set_attribute(KeyValue::new("http.method", "GET"));
    span.set_attribute(KeyValue::new("http.status", 200));
    span.end();
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
