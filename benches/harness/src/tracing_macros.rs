//! The workloads' spans as `tracing` macros, the same code for every subscriber.

use crate::operations::Operations;
use crate::request::Request;
use crate::workload::Shape;
use tracing::{info, info_span};

/// Makes `ops` operations, for the shapes that [`is_possible`] names.
pub fn run(operations: &Operations, ops: u64) {
    let sample = operations.request();
    match operations.shape() {
        Shape::Root => (0..ops).for_each(|_| root()),
        _ => (0..ops).for_each(|_| request(sample)),
    }
}

/// Whether the macros make this shape: a builder and `in_span` are of the OpenTelemetry API.
pub fn is_possible(shape: Shape) -> bool {
    matches!(shape, Shape::Root | Shape::Request)
}

fn root() {
    drop(info_span!("op", http.method = "GET", http.status = 200).entered());
}

fn request(request: &Request) {
    let _server = info_span!(
        "GET /users/{id}/orders",
        otel.kind = "server",
        http.request.method = "GET",
        url.scheme = "https",
        url.path = request.path.as_str(),
        http.route = request.route.as_str(),
        server.address = request.host.as_str(),
        server.port = 443,
        network.protocol.version = "1.1",
        client.address = request.client.as_str(),
        user_agent.original = request.agent.as_str(),
        http.response.status_code = 200,
    )
    .entered();
    for (index, statement) in request.statements.iter().enumerate() {
        // A name known at run time goes through a field.
        let _child = info_span!(
            "query",
            otel.kind = "client",
            otel.name = statement.operation,
            db.system.name = "postgresql",
            db.query.text = statement.text.as_str(),
            db.collection.name = statement.collection.as_str(),
            db.response.returned_rows = statement.rows,
        )
        .entered();
        if index == 0 {
            info!(cache.key = request.cache_key.as_str(), cache.tier = 2, "cache miss");
        }
    }
}
