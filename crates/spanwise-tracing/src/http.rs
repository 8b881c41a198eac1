//! Spans of HTTP requests by OpenTelemetry's semantic conventions, from the types of the crate `http`: for axum, tower-http, hyper,
//! tonic and reqwest.
//!
//! A server, here as a middleware of axum; `route` is the text of its `MatchedPath`:
//!
//! ```
//! # #![allow(dead_code)]
//! # mod spanwise { pub mod tracing { pub use spanwise_tracing::*; } }
//! use spanwise::tracing::http;
//! use tracing::Instrument;
//!
//! async fn traced<B, R>(
//!     request: ::http::Request<B>,
//!     route: Option<&str>,
//!     next: impl AsyncFnOnce(::http::Request<B>) -> ::http::Response<R>,
//! ) -> ::http::Response<R> {
//!     let span = http::server_span(&request, route);
//!     let response = next(request).instrument(span.clone()).await;
//!     http::set_server_status(&span, response.status());
//!     response
//! }
//! ```
//!
//! A client; the request of reqwest has the same three parts:
//!
//! ```
//! # #![allow(dead_code)]
//! # mod spanwise { pub mod tracing { pub use spanwise_tracing::*; } }
//! use spanwise::tracing::http;
//! use tracing::Instrument;
//!
//! async fn call<B, R, E: std::error::Error + 'static>(
//!     mut request: ::http::Request<B>,
//!     send: impl AsyncFnOnce(::http::Request<B>) -> Result<::http::Response<R>, E>,
//! ) -> Result<::http::Response<R>, E> {
//!     let span = http::client_span(request.method(), request.uri());
//!     http::inject(&span, request.headers_mut());
//!     let answer = send(request).instrument(span.clone()).await;
//!     match &answer {
//!         Ok(response) => http::set_client_status(&span, response.status()),
//!         Err(error) => http::set_error(&span, error),
//!     }
//!     answer
//! }
//! ```
//!
//! The spans have the level INFO and the target `spanwise_tracing::http`: a filter such as `RUST_LOG=shop=debug` disables them, and
//! `RUST_LOG=info,shop=debug` does not.
//!
//! Queries and credentials of URLs, and headers other than `user-agent` and `host`, are not recorded: they may hold secrets.

use crate::OpenTelemetrySpanExt as _;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version, header};
use spanwise_sdk::__private::is_context_readable;
use spanwise_sdk::propagation;
use std::error::Error;
use std::fmt;
use tracing::Span;
use tracing::field::{self, display};

/// Starts the span of a request that a server has received: a child of the span that the request's headers name.
///
/// `route` is the template that matched, such as `/users/{id}`, without which the name of the span is the method alone. Fields:
/// `http.request.method`, `http.route`, `url.path`, `url.scheme`, `server.address`, `server.port`, `network.protocol.version`,
/// `user_agent.original`, and later [`http.response.status_code`](set_server_status) and `error.type`.
pub fn server_span<B>(request: &Request<B>, route: Option<&str>) -> Span {
    let uri = request.uri();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(|authority| authority.as_str()).or(host).map(without_user);
    let (address, port) = host.map_or((None, None), split_port);
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    // The start of the span sees the parent, and so do a sampler and a late start.
    // A thread that exits has no contexts.
    let _parent =
        is_context_readable().then(|| propagation::http::extract(request.headers()).attach());
    let span = tracing::info_span!(
        "HTTP server",
        otel.kind = "server",
        otel.name = display(Name { method: request.method(), target: route }),
        http.request.method = known(request.method()),
        http.route = route,
        url.path = uri.path(),
        url.scheme = uri.scheme_str(),
        server.address = address,
        server.port = port,
        network.protocol.version = version(request.version()),
        user_agent.original = agent,
        http.response.status_code = field::Empty,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
    );
    set_original_method(&span, request.method());
    span
}

/// Starts the span of a request that a client sends. [`inject`] passes it on.
///
/// Fields: `http.request.method`, `server.address`, `server.port`, `url.full`, `url.scheme`, and later
/// [`http.response.status_code`](set_client_status) and [`error.type`](set_error).
pub fn client_span(method: &Method, uri: &Uri) -> Span {
    let port = uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    });
    let span = tracing::info_span!(
        "HTTP client",
        otel.kind = "client",
        otel.name = display(Name { method, target: None }),
        http.request.method = known(method),
        server.address = uri.host(),
        server.port = port,
        url.full = display(Url(uri)),
        url.scheme = uri.scheme_str(),
        http.response.status_code = field::Empty,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    );
    set_original_method(&span, method);
    span
}

/// Injects the context of `span` into the headers of a request, by the global propagator.
///
/// A span that a filter disables passes the current context on.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    match span.is_disabled() {
        true => propagation::http::inject(headers),
        false => propagation::http::inject_context(&span.context(), headers),
    }
}

/// Records the status of the answer of a server: 500 and above are errors.
pub fn set_server_status(span: &Span, status: StatusCode) {
    set_status(span, status, status.is_server_error());
}

/// Records the status of the answer that a client has received: 400 and above are errors.
pub fn set_client_status(span: &Span, status: StatusCode) {
    set_status(span, status, status.is_client_error() || status.is_server_error());
}

/// Records that a request got no answer: `error.type` is the name of the error's type, and the error's text the description of
/// the status. The error of some clients has the URL in its text, with its query: of reqwest, pass `error.without_url()`.
pub fn set_error<E: Error + ?Sized>(span: &Span, error: &E) {
    span.record("error.type", std::any::type_name::<E>());
    span.record("otel.status_code", "error");
    span.record("otel.status_description", display(error));
}

fn set_status(span: &Span, status: StatusCode, is_error: bool) {
    span.record("http.response.status_code", status.as_u16());
    if is_error {
        span.record("error.type", status.as_str());
        span.record("otel.status_code", "error");
    }
}

/// The name of a span: the method, with the route where it is known.
struct Name<'a> {
    method: &'a Method,
    target: Option<&'a str>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match known(self.method) {
            OTHER => "HTTP",
            method => method,
        })?;
        self.target.map_or(Ok(()), |target| write!(f, " {target}"))
    }
}

/// A URL without its query and its credentials.
struct Url<'a>(&'a Uri);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.0.scheme_str() {
            write!(f, "{scheme}://")?;
        }
        let authority = self.0.authority().map_or("", |authority| without_user(authority.as_str()));
        write!(f, "{authority}{}", self.0.path())
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn split_port(host: &str) -> (Option<&str>, Option<u16>) {
    match host.rsplit_once(':') {
        // The last part of an IPv6 address in brackets is no port.
        Some((address, port)) if !port.ends_with(']') => (Some(address), port.parse().ok()),
        _ => (Some(host), None),
    }
}

/// A method whose name is bounded: others could be as many as there are requests.
fn known(method: &Method) -> &'static str {
    METHODS.iter().find(|known| **known == method.as_str()).copied().unwrap_or(OTHER)
}

#[inline]
fn set_original_method(span: &Span, method: &Method) {
    if known(method) == OTHER {
        span.set_attribute("http.request.method_original", method.as_str().to_owned());
    }
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

/// The methods of RFC 9110 and PATCH of RFC 5789.
const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
const OTHER: &str = "_OTHER";
