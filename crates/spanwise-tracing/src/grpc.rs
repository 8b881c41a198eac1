//! Spans of gRPC calls by OpenTelemetry's semantic conventions, for tonic.
//!
//! A server has one line:
//!
//! ```ignore
//! Server::builder().trace_fn(spanwise::tracing::grpc::server_span).add_service(service)
//! ```
//!
//! A method of a service reports the status of its answer, and a client starts its span and passes it on in the metadata:
//!
//! ```ignore
//! use spanwise::tracing::{grpc, http};
//!
//! let span = grpc::client_span("/shop.Stock/Reserve");
//! let mut request = tonic::Request::new(message);
//! http::inject(&span, request.metadata_mut().as_mut());
//! let answer = client.reserve(request).instrument(span.clone()).await;
//! grpc::set_client_status(&span, answer.as_ref().err().map_or(0, |status| status.code() as i32));
//! ```
//!
//! The spans have the level INFO and the target `spanwise_tracing::grpc`.

use http::Request;
use spanwise_sdk::__private::is_context_readable;
use spanwise_sdk::propagation;
use std::fmt;
use tracing::Span;
use tracing::field::{self, display};

/// Starts the span of a call that a server has received: a child of the span that the call's metadata name.
///
/// Fields: `rpc.system`, `rpc.service`, `rpc.method`, and later [`rpc.grpc.status_code`](set_server_status) and `error.type`. The name
/// is `package.Service/Method`.
pub fn server_span<B>(request: &Request<B>) -> Span {
    let call = Call::of(request.uri().path());
    // A thread that exits has no contexts.
    let _parent =
        is_context_readable().then(|| propagation::http::extract(request.headers()).attach());
    tracing::info_span!(
        "gRPC server",
        otel.kind = "server",
        otel.name = display(call),
        rpc.system = "grpc",
        rpc.service = call.service,
        rpc.method = call.method,
        rpc.grpc.status_code = field::Empty,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// Starts the span of a call that a client makes, by its path `/package.Service/Method`.
/// [`http::inject`](crate::http::inject) passes it on.
pub fn client_span(path: &str) -> Span {
    let call = Call::of(path);
    tracing::info_span!(
        "gRPC client",
        otel.kind = "client",
        otel.name = display(call),
        rpc.system = "grpc",
        rpc.service = call.service,
        rpc.method = call.method,
        rpc.grpc.status_code = field::Empty,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// Records the status that a server answers. Those that a client causes, such as `NOT_FOUND`, are no errors of the server.
pub fn set_server_status(span: &Span, code: i32) {
    set_status(span, code, SERVER_ERRORS.contains(&code));
}

/// Records the status that a client has received: each but 0 is an error.
pub fn set_client_status(span: &Span, code: i32) {
    set_status(span, code, code != 0);
}

fn set_status(span: &Span, code: i32, is_error: bool) {
    span.record("rpc.grpc.status_code", code);
    if is_error {
        span.record("error.type", display(code));
        span.record("otel.status_code", "error");
    }
}

/// Service and method of a path.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    service: &'a str,
    method: &'a str,
}

impl<'a> Call<'a> {
    fn of(path: &'a str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (service, method) = path.rsplit_once('/').unwrap_or((path, ""));
        Self { service, method }
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

/// `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`.
const SERVER_ERRORS: [i32; 6] = [2, 4, 12, 13, 14, 15];
