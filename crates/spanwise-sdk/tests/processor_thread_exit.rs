//! Span processors see spans of a thread that has destroyed its context. A process of its own, because the panic
//! hook is global.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::Context;
use spanwise_sdk::{SpanKind, SpanProcessor, Tracer};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use support::bench;

struct Nothing;

impl SpanProcessor for Nothing {}

struct StartsSpan(Tracer);

impl Drop for StartsSpan {
    fn drop(&mut self) {
        self.0.root("late", SpanKind::Internal).finish();
    }
}

thread_local! {
    static LATE: RefCell<Option<StartsSpan>> = const { RefCell::new(None) };
}

/// A program with `panic = "abort"` would end, and the hook of others prints each panic.
#[test]
fn a_span_after_the_threads_context_causes_no_panic() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| _ = PANICS.fetch_add(1, SeqCst)));
    let bench = bench(|builder| builder.with_span_processor(Nothing));
    let tracer = bench.spanwise.tracer("exit");
    thread::spawn(move || {
        LATE.with(|late| *late.borrow_mut() = Some(StartsSpan(tracer.clone())));
        // Registered later, and so destroyed earlier.
        let _context = Context::current();
        tracer.root("early", SpanKind::Internal).finish();
    })
    .join()
    .unwrap();
    assert_eq!(bench.spanwise.force_flush().unwrap().exported, 2);
    assert_eq!(PANICS.load(SeqCst), 0);
}
