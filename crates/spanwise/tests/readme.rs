//! The README's examples that need a feature compile as a user would paste them, and work.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod propagation {
    use spanwise::opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
    use spanwise::opentelemetry::{Context, global};
    use spanwise::propagation::http::{extract, inject};

    /// A server: its span is a child of the client's span.
    fn serve(request: &http::Request<()>) -> Context {
        let tracer = global::tracer("shop");
        let parent = extract(request.headers());
        let span = tracer.span_builder("GET /").with_kind(SpanKind::Server);
        Context::current_with_span(span.start_with_context(&tracer, &parent))
    }

    /// A client: the request carries the current span.
    fn call(request: &mut http::Request<()>) {
        inject(request.headers_mut());
    }

    #[test]
    fn the_servers_span_is_a_child_of_the_clients_span() {
        let (spanwise, collected) = spanwise::testing::collect();
        global::set_tracer_provider(spanwise);
        global::set_text_map_propagator(spanwise::propagation::TraceContextPropagator::new());

        let mut request = http::Request::new(());
        global::tracer("client").in_span("GET", |_| call(&mut request));
        drop(serve(&request));

        let client = collected.span("GET");
        assert!(collected.span("GET /").is_child_of(&client));
        // `traceparent` of W3C Trace Context: version, ids, the flags "sampled" and "random".
        let traceparent = format!("00-{}-{}-03", client.trace_id(), client.span_id());
        assert_eq!(request.headers()["traceparent"], traceparent);
    }
}

#[allow(dead_code, reason = "it sets the subscriber of the process")]
mod tracing_users {
    fn main() -> Result<(), spanwise::tracing::InitError> {
        let _tracing = spanwise::tracing::init()?; // RUST_LOG and OTEL_*
        tracing::info_span!("order", order.id = 7).in_scope(|| tracing::info!("paid"));
        Ok(()) // where the service has run
    }
}

mod tests {
    use spanwise::opentelemetry::KeyValue;
    use spanwise::opentelemetry::trace::{TraceContextExt, Tracer};

    fn checkout(tracer: &spanwise::Tracer) {
        tracer.in_span("checkout", |cx| cx.span().set_attribute(KeyValue::new("order.id", 4711)));
    }

    #[test]
    fn a_checkout_records_its_order() {
        let (spanwise, collected) = spanwise::testing::collect();
        checkout(&spanwise.tracer("shop"));
        assert_eq!(collected.span("checkout").attribute("order.id"), Some(4711.into()));
    }
}

/// A user looks for the feature of a method here.
#[test]
fn the_table_of_the_readme_has_each_feature() {
    let manifest = include_str!("../Cargo.toml").split("[features]\n").nth(1).unwrap();
    let section = manifest.split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| line.split_once(" = [")).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| *name != "default").collect();
    assert!(names.contains(&"spool") && names.contains(&"tls"), "{names:?}");
    let readme = include_str!("../README.md");
    for name in names {
        assert!(readme.contains(&format!("\n| `{name}` | ")), "the table has no `{name}`");
    }
}

/// Every block that doctests ignore is in this file, which compiles.
#[test]
fn this_file_has_the_ignored_examples_of_the_readme() {
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let here = trimmed(include_str!("readme.rs"));
    let readme = include_str!("../README.md");
    let blocks: Vec<_> = readme.split("```rust,ignore\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let code = trimmed(block.split("\n```").next().unwrap());
        assert!(here.contains(&code), "the README shows code that is not compiled:\n{code}");
    }
}
