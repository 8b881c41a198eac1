//! A panic that unwinds through spans.

use crate::harness::{assert_child, bench, named};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tracing::{Instrument as _, info_span, instrument};

/// A panic without a message of the hook.
fn panic() {
    resume_unwind(Box::new("of the program"));
}

#[instrument]
fn outer(depth: u32) {
    let _entered = info_span!("entered", depth).entered();
    let _open = info_span!("open", depth);
    match depth {
        0 => panic(),
        _ => outer(depth - 1),
    }
}

#[instrument(err)]
async fn task() -> Result<(), String> {
    tokio::task::yield_now().await;
    panic();
    Ok(())
}

struct MakesSpanInDrop;

impl Drop for MakesSpanInDrop {
    fn drop(&mut self) {
        info_span!("cleanup").in_scope(|| tracing::error!("unwinding"));
    }
}

#[test]
fn spans_that_a_panic_unwinds_end_and_the_context_is_restored() {
    let bench = bench(|builder| builder);
    bench.within(|| {
        let root = info_span!("root").entered();
        let before = Context::current().span().span_context().clone();
        let unwound = catch_unwind(|| {
            let _cleanup = MakesSpanInDrop;
            outer(3);
        });
        assert!(unwound.is_err());
        assert_eq!(*Context::current().span().span_context(), before);
        info_span!("after").in_scope(|| {});
        drop(root);
        assert!(!Context::current().has_active_span());
    });
    let spans = bench.finish();
    let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!((count("outer"), count("entered"), count("open")), (4, 4, 4));
    assert_child(named(&spans, "after"), named(&spans, "root"));
    assert_child(named(&spans, "cleanup"), named(&spans, "root"));
}

#[test]
fn a_task_that_panics_ends_its_span() {
    let bench = bench(|builder| builder);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bench.within(|| {
        runtime.block_on(async {
            let joined = tokio::spawn(task().instrument(info_span!("request"))).await;
            assert!(joined.unwrap_err().is_panic());
            assert!(!Context::current().has_active_span());
            info_span!("next").in_scope(|| {});
        });
    });
    let spans = bench.finish();
    assert_child(named(&spans, "task"), named(&spans, "request"));
    assert!(named(&spans, "next").parent_span_id.is_empty());
    assert_eq!(spans.len(), 3);
}

/// The fields of a span whose `Debug` panics, in each place where a field is formatted.
#[test]
fn a_field_that_panics_takes_no_span_with_it() {
    struct Panics;
    impl std::fmt::Debug for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic();
            Ok(())
        }
    }
    let bench = bench(|builder| builder);
    bench.within(|| {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let span = info_span!("span", a = ?Panics, late = tracing::field::Empty);
            span.record("late", tracing::field::debug(Panics));
            span.in_scope(|| tracing::info!(b = ?Panics, "event"));
        }));
        assert!(made.is_ok());
    });
    let spans = bench.finish();
    let span = named(&spans, "span");
    assert_eq!((span.attributes.len(), span.events.len()), (2, 1));
}
