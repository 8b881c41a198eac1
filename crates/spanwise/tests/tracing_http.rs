//! `spanwise::tracing::{http, grpc}` and `TraceIds`: the spans and lines that they make.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use spanwise::opentelemetry::global;
use spanwise::opentelemetry::trace::Status;
use spanwise::propagation::TraceContextPropagator;
use spanwise::testing::{Collected, CollectedSpan, collect};
use spanwise::tracing::{TraceIds, grpc, layer};
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn spans(make: impl FnOnce()) -> Collected {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let (spanwise, collected) = collect();
    let subscriber = tracing_subscriber::registry().with(layer(&spanwise));
    tracing::subscriber::with_default(subscriber, make);
    collected
}

#[track_caller]
fn check(span: &CollectedSpan, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        let seen = span.attribute(key).map(|value| value.to_string());
        assert_eq!(seen.as_deref(), Some(*value), "{key} of {}", span.name());
    }
    let mut keys: Vec<_> = span.attributes().iter().map(|it| it.key.as_str()).collect();
    let mut expected: Vec<_> = expected.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected, "{}", span.name());
}

#[test]
fn a_server_span_has_the_names_of_the_conventions_and_the_remote_parent() {
    let request = Request::get("/users/7?token=secret")
        .header(header::HOST, "shop.example:8080")
        .header(header::USER_AGENT, "curl/8")
        .header("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01"))
        .body(())
        .unwrap();
    let collected = spans(|| {
        let span = spanwise::tracing::http::server_span(&request, Some("/users/{id}"));
        spanwise::tracing::http::set_server_status(&span, StatusCode::NOT_FOUND);
    });
    let span = collected.span("GET /users/{id}");
    assert_eq!(span.trace_id().to_string(), TRACE_ID);
    assert!(span.parent_is_remote());
    assert_eq!(span.parent_span_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(span.kind(), spanwise::SpanKind::Server);
    // The client's mistake is no error of the server.
    assert_eq!(*span.status(), Status::Unset);
    let expected = [
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("url.path", "/users/7"),
        ("server.address", "shop.example"),
        ("server.port", "8080"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "curl/8"),
        ("http.response.status_code", "404"),
    ];
    check(&span, &expected);
}

#[test]
fn a_server_error_is_an_error_and_an_unknown_method_is_bounded() {
    let request = Request::builder().method("BREW").uri("http://[::1]/pot").body(()).unwrap();
    let collected = spans(|| {
        let span = spanwise::tracing::http::server_span(&request, None);
        spanwise::tracing::http::set_server_status(&span, StatusCode::BAD_GATEWAY);
    });
    let span = collected.span("HTTP");
    assert_eq!(*span.status(), Status::error(""));
    let expected = [
        ("http.request.method", "_OTHER"),
        ("http.request.method_original", "BREW"),
        ("url.path", "/pot"),
        ("url.scheme", "http"),
        ("server.address", "[::1]"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "502"),
        ("error.type", "502"),
    ];
    check(&span, &expected);
}

#[test]
fn a_client_span_is_injected_and_shows_no_secret_of_its_url() {
    let mut headers = HeaderMap::new();
    let uri: Uri = "https://user:secret@stock.example/items/7?token=secret".parse().unwrap();
    let collected = spans(|| {
        tracing::info_span!("order").in_scope(|| {
            let span = spanwise::tracing::http::client_span(&Method::GET, &uri);
            spanwise::tracing::http::inject(&span, &mut headers);
            spanwise::tracing::http::set_client_status(&span, StatusCode::NOT_FOUND);
        });
    });
    let span = collected.span("GET");
    assert!(span.is_child_of(&collected.span("order")));
    let traceparent = format!("00-{}-{}-03", span.trace_id(), span.span_id());
    assert_eq!(headers["traceparent"], traceparent);
    assert_eq!(*span.status(), Status::error(""));
    let expected = [
        ("http.request.method", "GET"),
        ("server.address", "stock.example"),
        ("server.port", "443"),
        ("url.full", "https://stock.example/items/7"),
        ("url.scheme", "https"),
        ("http.response.status_code", "404"),
        ("error.type", "404"),
    ];
    check(&span, &expected);
}

#[test]
fn a_request_without_an_answer_is_an_error() {
    let collected = spans(|| {
        let span = spanwise::tracing::http::client_span(&Method::PUT, &Uri::from_static("/x"));
        spanwise::tracing::http::set_error(&span, &std::io::Error::other("refused"));
    });
    let span = collected.span("PUT");
    assert_eq!(*span.status(), Status::error("refused"));
    let kind = span.attribute("error.type").unwrap().to_string();
    assert!(kind.ends_with("io::error::Error"), "{kind}");
}

/// The current context goes on where a filter disables the span.
#[test]
fn a_disabled_client_span_passes_the_current_context_on() {
    let mut headers = HeaderMap::new();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let (spanwise, collected) = collect();
    let filter = tracing_subscriber::filter::Targets::new()
        .with_target("tracing_http", tracing::Level::INFO);
    let subscriber = tracing_subscriber::registry().with(layer(&spanwise)).with(filter);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("order").in_scope(|| {
            let span = spanwise::tracing::http::client_span(&Method::GET, &Uri::from_static("/x"));
            assert!(span.is_disabled());
            spanwise::tracing::http::inject(&span, &mut headers);
        });
    });
    let order = collected.span("order");
    let traceparent = format!("00-{}-{}-03", order.trace_id(), order.span_id());
    assert_eq!(headers["traceparent"], traceparent);
}

#[test]
fn spans_of_calls_have_service_method_and_status() {
    let request = Request::post("http://shop/shop.Stock/Reserve").body(()).unwrap();
    let collected = spans(|| {
        let span = grpc::client_span("/shop.Stock/Reserve");
        grpc::set_client_status(&span, 5);
        drop(span);
        grpc::set_server_status(&grpc::server_span(&request), 5);
        grpc::set_server_status(&grpc::server_span(&request), 13);
    });
    let spans = collected.spans_named("shop.Stock/Reserve");
    let statuses: Vec<_> = spans.iter().map(|span| span.status().clone()).collect();
    assert_eq!(statuses, [Status::error(""), Status::Unset, Status::error("")]);
    let of_call = [
        ("rpc.system", "grpc"),
        ("rpc.service", "shop.Stock"),
        ("rpc.method", "Reserve"),
        ("rpc.grpc.status_code", "5"),
    ];
    check(&spans[1], &of_call);
    check(&spans[0], &[of_call.as_slice(), &[("error.type", "5")]].concat());
}

#[test]
fn lines_of_text_and_of_json_have_the_ids() {
    let lines = Lines::default();
    let (spanwise, collected) = collect();
    let text = fmt::layer()
        .with_writer(lines.clone())
        .event_format(TraceIds::new(fmt::format().without_time().with_target(false)));
    let json = fmt::layer().with_writer(lines.clone()).event_format(TraceIds::json(Json));
    let subscriber =
        tracing_subscriber::registry().with(layer(&spanwise)).with(text.and_then(json));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("outside");
        tracing::info_span!("order").in_scope(|| tracing::info!("paid"));
    });
    let order = collected.span("order");
    let (trace_id, span_id) = (order.trace_id(), order.span_id());
    let expected = format!(
        " INFO outside\n{{\"level\":\"INFO\"}}\n \
         INFO order: paid trace_id={trace_id} span_id={span_id} trace_flags=03\n\
         {{\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\",\"trace_flags\":\"03\",\"level\":\"INFO\"}}\n"
    );
    assert_eq!(lines.text(), expected);
}

/// A format of objects.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        writeln!(writer, r#"{{"level":"{}"}}"#, event.metadata().level())
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl fmt::MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
