//! Code written for OpenTelemetry, one line changed.
//!
//! Below `main` the program uses the `opentelemetry` API alone: the tracer is boxed and global,
//! `Context` carries the current span, attributes are `KeyValue`s.
//!
//! ```text
//! cargo run --example drop_in
//! ```

use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A local receiver, so that the example needs no collector.
    let receiver = spanwise_receiver::Receiver::builder().start()?;

    // Before: let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let provider = spanwise::Spanwise::builder().with_endpoint(receiver.http_endpoint()).build()?;

    global::set_tracer_provider(provider.clone());
    for order in 0..100 {
        checkout(order);
    }

    let report = provider.shutdown()?;
    println!("{report}");
    println!("the receiver counted {} spans", receiver.stats().spans);
    assert_eq!((report.ledger.exported, receiver.stats().spans), (200, 200));
    Ok(())
}

fn checkout(order: i64) {
    let tracer = global::tracer("shop");
    let span = tracer
        .span_builder("checkout")
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("order.id", order)])
        .start(&tracer);
    let cx = Context::current_with_span(span);
    let _active = cx.clone().attach();
    if let Err(error) = charge(order) {
        cx.span().record_error(&error);
        cx.span().set_status(Status::error(error.to_string()));
    }
}

fn charge(order: i64) -> Result<(), std::fmt::Error> {
    global::tracer("payments").in_span("charge", |cx| {
        cx.span().set_attribute(KeyValue::new("payment.method", "card"));
        if order % 10 == 0 { Err(std::fmt::Error) } else { Ok(()) }
    })
}
