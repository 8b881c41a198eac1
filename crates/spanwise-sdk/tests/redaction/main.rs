//! Redaction in the native provider: everything behind the end of a span sees changed data alone. The oracle is the text that the test
//! put into each place of a span, searched for in the bytes and values that come out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod counts;
mod exported;
mod growth;
mod observers;
mod same_rules;
mod settings;
#[path = "../support/mod.rs"]
mod support;

use opentelemetry::trace::{SpanContext, Tracer as _, TracerProvider as _};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use spanwise_redact::{Preset, Redactor, Rule};
use spanwise_sdk::{Span, Spanwise, SpanwiseBuilder};

/// A secret that no preset knows.
const CANARY: &str = "canary-4711";
/// A secret of a preset.
const EMAIL: &str = "ann@example.com";

/// Masks canaries and addresses everywhere, and deletes headers.
fn redactor() -> Redactor {
    Redactor::builder()
        .with_preset(Preset::Email)
        .with_rule(Rule::mask_values("canary-[0-9]+").with_name("canary"))
        .with_rule(Rule::delete(["http.request.header.*"]).with_name("headers"))
        .build()
        .unwrap()
}

fn redacting(builder: SpanwiseBuilder) -> SpanwiseBuilder {
    builder.with_redaction(redactor()).with_resource([KeyValue::new("deploy.by", EMAIL)])
}

/// A scope with an address.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("shop").with_attributes([KeyValue::new("owner", EMAIL)]).build()
}

/// A span with a secret in each place that a rule can reach.
fn start(spanwise: &Spanwise) -> Span {
    let tracer = spanwise.tracer_with_scope(scope());
    let builder = tracer
        .span_builder(format!("load {CANARY}"))
        .with_attributes([KeyValue::new("at.start", CANARY)]);
    let mut span = tracer.build_with_context(builder, &opentelemetry::Context::new());
    fill(&mut span);
    span
}

fn fill(span: &mut Span) {
    use opentelemetry::trace::{Span as _, Status};
    let list: Vec<StringValue> = vec!["a".into(), format!("to {EMAIL}").into()];
    span.set_attributes([
        KeyValue::new("user.mail", EMAIL),
        KeyValue::new("list", Value::Array(Array::String(list))),
        KeyValue::new("http.request.header.cookie", CANARY),
        KeyValue::new("http.route", "/orders"),
    ]);
    span.add_event(format!("sent to {EMAIL}"), vec![KeyValue::new("body", CANARY)]);
    span.add_link(other(), vec![KeyValue::new("reason", CANARY)]);
    span.set_status(Status::error(format!("no account {CANARY}")));
}

fn other() -> SpanContext {
    let flags = opentelemetry::trace::TraceFlags::SAMPLED;
    SpanContext::new(7_u128.into(), 9_u64.into(), flags, true, Default::default())
}

/// Fails if a secret is in the bytes.
#[track_caller]
fn assert_clean(bytes: &[u8]) {
    for secret in [CANARY, EMAIL] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} in {:?}", String::from_utf8_lossy(bytes));
    }
}
