//! No personal data leaves the process: the same request is recorded without rules and with them, and each rule explains its part.
//!
//! ```text
//! cargo run --release --example redaction --features redaction
//! ```

use spanwise::opentelemetry::KeyValue;
use spanwise::redaction::{Redactor, Rule};
use spanwise::wire::read::{SpanView, TraceRequest, ValueView};
use spanwise::{Bytes, Outcome, SpanKind, Spanwise};
use std::sync::{Arc, Mutex};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redactor = Redactor::builder()
        // URLs, tokens and keys, e-mail addresses, payment cards, IP addresses, literals of queries.
        .with_all_presets()
        .with_rule(Rule::delete(["http.request.header.*"]))
        // The same person has the same hash, which takes the key to try values against.
        .with_rule(Rule::hash(["enduser.id"]))
        .with_rule(Rule::rename("customer", "shop.customer"))
        .with_hash_key(*b"a secret of the operator")
        .build()?;

    let before = record(None)?;
    let after = record(Some(redactor.clone()))?;
    println!("span: before, and after what a rule changed");
    let (spans_before, spans_after) = (texts(&before)?, texts(&after)?);
    for (key, text) in &spans_before {
        match spans_after.iter().find(|(known, _)| known == key) {
            Some((_, same)) if same == text => println!("  {key:<26} {text}"),
            Some((_, changed)) => println!("  {key:<26} {text}\n  {:<26} → {changed}", ""),
            None => println!("  {key:<26} {text}\n  {:<26} → deleted or renamed", ""),
        }
    }
    for (key, text) in spans_after {
        if !spans_before.iter().any(|(known, _)| *known == key) {
            println!("  {key:<26} → {text}");
        }
    }
    println!("\nexplanation");
    for explanation in redactor.explain_request(&before) {
        println!("  {explanation}");
    }
    println!("\nvalues by rule");
    for rule in redactor.counts().into_iter().filter(|rule| rule.count > 0) {
        println!("  {:<26} {}", rule.name, rule.count);
    }

    let sent = String::from_utf8_lossy(&after);
    for secret in SECRETS {
        assert!(!sent.contains(secret), "{secret} was sent");
    }
    assert_eq!(redactor.failures(), 0);
    Ok(())
}

/// Personal data and secrets of the request.
const SECRETS: &[&str] =
    &["ann@example.com", "4111 1111", "s3cr3t", "203.0.113.7", "Ann Lee", "session=8", "u-4711"];

/// Records one request, and returns what an exporter would send.
fn record(redactor: Option<Redactor>) -> Result<Bytes, Box<dyn std::error::Error>> {
    let sent = Arc::new(Mutex::new(Bytes::new()));
    let stored = sent.clone();
    // A collector takes the place of the sink.
    let sink = move |request: Bytes| {
        if let Ok(mut stored) = stored.lock() {
            *stored = Bytes::copy_from_slice(&request);
        }
        async { Outcome::Accepted { rejected: 0, message: None } }
    };
    let mut builder = Spanwise::builder()
        .with_service_name("shop")
        .with_resource([KeyValue::new("deployed.by", "ann@example.com")])
        .with_sink(sink);
    if let Some(redactor) = redactor {
        builder = builder.with_redaction(redactor);
    }
    let spanwise = builder.build()?;
    let mut span = spanwise.tracer("shop").root("POST /orders", SpanKind::Server);
    span.attribute("url.full", "https://shop.example/orders?id=7&token=s3cr3t")
        .attribute("client.address", "203.0.113.7")
        .attribute("http.request.header.cookie", "session=8")
        .attribute("db.query.text", "SELECT id FROM users WHERE name = 'Ann Lee'")
        .attribute("enduser.id", "u-4711")
        .attribute("customer", "gold")
        .attribute("http.route", "/orders");
    span.event("receipt sent to ann@example.com", &[("amount", 42.into())]);
    span.error("the card 4111 1111 1111 1111 was declined");
    span.finish();
    spanwise.shutdown()?;
    let sent = sent.lock().map_err(|_| "the sink panicked")?.clone();
    Ok(sent)
}

/// The texts of a request with one span, by the place that each is in.
fn texts(request: &[u8]) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let mut texts = Vec::new();
    for span in TraceRequest::new(request).spans() {
        let span: SpanView<'_> = span?;
        texts.push(("(name)".to_owned(), span.name()?.to_owned()));
        for attribute in span.resource_attributes() {
            let (key, value) = attribute?;
            if key == "deployed.by" {
                texts.push((format!("resource {key}"), text(&value)));
            }
        }
        for attribute in span.attributes() {
            let (key, value) = attribute?;
            texts.push((key.to_owned(), text(&value)));
        }
        for event in span.events() {
            texts.push(("(event)".to_owned(), event?.name()?.to_owned()));
        }
        texts.push(("(status message)".to_owned(), span.status_message()?.to_owned()));
    }
    Ok(texts)
}

fn text(value: &ValueView<'_>) -> String {
    value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned)
}
