//! A queue that is full: starts are refused, traces are shed, or the program waits.

use crate::context::current;
use crate::harness::{LONG, assert_balanced, bench, builder, when_idle, within};
use spanwise_sdk::{Bytes, DropReason, OnFull, Outcome, Spanwise, SpanwiseBuilder};
use std::time::{Duration, Instant};
use tracing::{Span, info_span};

/// A provider whose receiver never answers: the fill of its queue changes only when a span ends.
fn stuck(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Spanwise {
    let builder = builder()
        .with_sink(|_: Bytes| std::future::pending::<Outcome>())
        .with_budget_bytes(1 << 20)
        .with_attempt_timeout(Duration::from_secs(3600))
        .with_export_timeout(Duration::from_secs(3600));
    configure(builder).build().unwrap()
}

/// The first root that the queue does not let record.
fn unrecorded_root() -> Span {
    let patience = Instant::now() + LONG;
    loop {
        let root = info_span!("root", text = "a field that takes some of the queue's bytes");
        if root.in_scope(|| !current().is_sampled()) {
            return root;
        }
        assert!(Instant::now() < patience, "the queue accepts all");
    }
}

#[test]
fn a_refused_root_is_not_sampled_and_its_children_follow_it() {
    for size in [None, Some(100)] {
        let spanwise = stuck(|builder| match size {
            Some(size) => builder.with_max_queue_size(size),
            None => builder,
        });
        within(&spanwise, || {
            let root = unrecorded_root();
            let sampled_out = spanwise.ledger().sampled_out;
            root.in_scope(|| {
                let root = current();
                assert!(root.is_valid() && !root.is_sampled());
                tracing::error!("an event of a span that records nothing");
                info_span!("child").in_scope(|| {
                    let child = current();
                    assert!(!child.is_sampled());
                    assert_eq!(child.trace_id(), root.trace_id());
                    assert_ne!(child.span_id(), root.span_id());
                });
            });
            assert_eq!(spanwise.ledger().sampled_out, sampled_out + 1);
        });
        let reason = if size.is_some() { DropReason::QueueFull } else { DropReason::QueueBytes };
        assert!(spanwise.ledger().dropped(reason) > 0, "{}", spanwise.ledger());
        let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
        assert_balanced(&when_idle(&spanwise));
    }
}

#[test]
fn shed_traces_have_no_sampled_span() {
    let spanwise = stuck(|builder| builder.with_on_full(OnFull::ShedByTrace));
    within(&spanwise, || {
        let root = unrecorded_root();
        root.in_scope(|| info_span!("child").in_scope(|| assert!(!current().is_sampled())));
        for _ in 0..1000 {
            info_span!("root").in_scope(|| {
                let root = current();
                info_span!("child").in_scope(|| {
                    assert_eq!(current().trace_state(), root.trace_state());
                    assert_eq!(current().is_sampled(), root.is_sampled());
                });
            });
        }
    });
    let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
    let ledger = when_idle(&spanwise);
    assert_balanced(&ledger);
    assert!(ledger.dropped(DropReason::Shed) > 0, "{ledger}");
}

#[test]
fn a_program_that_waits_loses_no_span() {
    let bench = bench(|builder| {
        builder
            .with_max_queue_size(32)
            .with_scheduled_delay(Duration::from_secs(3600))
            .with_on_full(OnFull::Wait(LONG))
    });
    let dispatch = tracing::Dispatch::new(crate::harness::subscriber(&bench.spanwise));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    for _ in 0..100 {
                        info_span!("outer").in_scope(|| info_span!("inner").in_scope(|| {}));
                    }
                });
            });
        }
    });
    drop(dispatch);
    assert_eq!(bench.finish().len(), 1600);
}
