//! A forked child calls no processor of its parent: another thread may have held a lock of it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::Tracer as _;
use spanwise_sdk::{Exporter, ReadableSpan, SpanKind, SpanProcessor};
use spanwise_testkit::in_forked_child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use support::{LONG, builder};

struct Ends(Arc<AtomicUsize>);

impl SpanProcessor for Ends {
    fn on_end(&self, _: &ReadableSpan<'_>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_forked_child_calls_no_processor() {
    for exporter in [Exporter::Otlp, Exporter::None] {
        let ends = Arc::new(AtomicUsize::new(0));
        let spanwise = builder()
            .with_exporter(exporter)
            .with_endpoint("http://127.0.0.1:9")
            .with_span_processor(Ends(ends.clone()))
            .build()
            .unwrap();
        let tracer = spanwise.tracer("fork");
        let open = tracer.start("open at the fork");
        let written = in_forked_child(|out| {
            drop(open);
            tracer.root("in the child", SpanKind::Internal).finish();
            let _no_worker = spanwise.force_flush_timeout(LONG);
            let _no_worker = spanwise.shutdown_timeout(LONG);
            out.write_all(&[ends.load(SeqCst) as u8]).unwrap();
        });
        assert_eq!(written, [0], "{exporter:?}");
        tracer.root("in the parent", SpanKind::Internal).finish();
        // The child dropped its copy of the open span, and this process its own.
        assert_eq!(ends.load(SeqCst), 2, "{exporter:?}");
    }
}
