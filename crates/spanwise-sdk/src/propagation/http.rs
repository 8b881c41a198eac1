//! `inject` and `extract` for the headers of the crate `http`, which hyper, axum, reqwest and tonic
//! share.
//!
//! ```
//! # use spanwise_sdk as spanwise;
//! use spanwise::opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
//! use spanwise::opentelemetry::{Context, global};
//! use spanwise::propagation::http;
//!
//! /// A server's span goes on with the trace of the request.
//! fn serve(request: &::http::Request<()>) -> Context {
//!     let tracer = global::tracer("shop");
//!     let parent = http::extract(request.headers());
//!     let span = tracer.span_builder("GET /").with_kind(SpanKind::Server);
//!     Context::current_with_span(span.start_with_context(&tracer, &parent))
//! }
//!
//! /// A client passes the current trace on.
//! fn call(request: &mut ::http::Request<()>) {
//!     http::inject(request.headers_mut());
//! }
//!
//! let mut request = ::http::Request::new(());
//! let _active = serve(&request).attach();
//! call(&mut request);
//! ```

use super::trace_context::{TRACEPARENT, TRACESTATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};
use std::fmt;

/// Injects the current [`Context`] into `headers` by the global propagator.
pub fn inject(headers: &mut HeaderMap) {
    Context::map_current(|cx| inject_context(cx, headers));
}

/// Injects `cx` into `headers` by the global propagator.
///
/// A header that the propagator sets replaces one of the same name.
pub fn inject_context(cx: &Context, headers: &mut HeaderMap) {
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(cx, &mut HeaderInjector(headers));
    });
}

/// Extracts a [`Context`] from `headers` by the global propagator: the current one, with the remote
/// span context and the baggage that the headers hold.
pub fn extract(headers: &HeaderMap) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)))
}

/// An `Injector` into a `HeaderMap`, for a propagator that is not the global one.
///
/// An injection skips a value that is invalid in a header. A `traceparent` removes a present `tracestate`,
/// which belongs to another span.
pub struct HeaderInjector<'a>(pub &'a mut HeaderMap);

impl Injector for HeaderInjector<'_> {
    fn set(&mut self, key: &str, value: String) {
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(key.as_bytes()), HeaderValue::try_from(value))
        else {
            return;
        };
        if name.as_str() == TRACEPARENT {
            self.0.remove(TRACESTATE);
        }
        // `HeaderMap` has space for 32,768 entries; a full map does not change.
        let _full = self.0.try_insert(name, value);
    }
}

/// An `Extractor` from a `HeaderMap`, for a propagator that is not the global one.
///
/// A value that is not visible ASCII counts as missing, and so do all values of its header: of two
/// `traceparent` headers, the one that can be read must not be accepted.
pub struct HeaderExtractor<'a>(pub &'a HeaderMap);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.get_all(key).iter().map(|value| value.to_str());
        let values: Vec<_> = values.collect::<Result<_, _>>().ok()?;
        (!values.is_empty()).then_some(values)
    }
}

/// Prints no headers: some contain credentials.
impl fmt::Debug for HeaderInjector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderInjector").finish_non_exhaustive()
    }
}

/// Prints no headers: some contain credentials.
impl fmt::Debug for HeaderExtractor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderExtractor").finish_non_exhaustive()
    }
}
