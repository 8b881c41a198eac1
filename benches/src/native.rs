//! The workloads' spans through Spanwise's own methods.

use spanwise::{SpanKind, Tracer, Value};
use spanwise_bench_harness::Request;

/// w1: a root span with two attributes.
#[inline(always)]
pub(crate) fn root(tracer: &Tracer) {
    let mut span = tracer.root("op", SpanKind::Internal);
    span.attribute("http.method", "GET").attribute("http.status", 200);
    span.finish();
}

/// w3: five spans, 26 attributes, one event with two more.
#[inline(always)]
pub(crate) fn request(tracer: &Tracer, request: &Request) {
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
    for (index, statement) in request.statements.iter().enumerate() {
        let mut child = tracer.child(statement.operation, SpanKind::Client, server.context());
        child
            .attribute("db.system.name", "postgresql")
            .attribute("db.query.text", statement.text.as_str())
            .attribute("db.collection.name", statement.collection.as_str())
            .attribute("db.response.returned_rows", statement.rows);
        if index == 0 {
            let key = Value::Str(&request.cache_key);
            child.event("cache miss", &[("cache.key", key), ("cache.tier", Value::I64(2))]);
        }
        child.finish();
    }
    server.finish();
}
