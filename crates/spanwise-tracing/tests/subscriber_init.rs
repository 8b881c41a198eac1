//! The subscriber as the one of the process: `tracing` calls it again from within its own calls.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

#[path = "subscriber/exported.rs"]
#[expect(dead_code, reason = "of another test too")]
mod exported;

use exported::Exporting;
use std::fmt;
use tracing::{info, info_span};

/// A field whose text is made by code that uses `tracing`.
struct Traces;

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info_span!("from debug").in_scope(|| info!("formatted"));
        f.write_str("traces")
    }
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a field's own panic");
    }
}

#[test]
fn fields_of_the_subscriber_of_the_process_may_use_spans() {
    let exporting = Exporting::new();
    spanwise_tracing::subscriber(&exporting.spanwise).try_init().unwrap();
    assert!(spanwise_tracing::subscriber(&exporting.spanwise).try_init().is_err());

    {
        let span = info_span!("span", field = ?Traces, late = tracing::field::Empty).entered();
        span.record("late", tracing::field::debug(Traces));
        info!(field = ?Traces, "event");
        info_span!("panics", field = ?Panics).in_scope(|| info!(field = ?Panics, "event"));
    }
    let exported = exporting.finish();
    // `tracing` calls no subscriber from within its calls once any thread has one of its own, and the worker sets one.
    assert!(exported.names().iter().filter(|name| **name == "from debug").count() <= 3);
    assert_eq!(exported.attributes("span")["field"], "traces");
    assert_eq!(exported.attributes("span")["late"], "traces");
    assert_eq!(exported.span("span").events.len(), 1);
    assert_eq!(exported.span("panics").events.len(), 1);
}
