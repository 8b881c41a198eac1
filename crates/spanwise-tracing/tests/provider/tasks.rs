//! Spans of tasks: the current context follows the poll of a future.

use crate::context::{current, unstarted_or_not};
use crate::harness::{assert_child, named};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::future::pending;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tracing::{Instrument as _, info_span, instrument};

/// A runtime whose threads use the subscriber of the test.
fn runtime(dispatch: &tracing::Dispatch) -> Runtime {
    let started = dispatch.clone();
    let set = |dispatch: &tracing::Dispatch| {
        std::mem::forget(tracing::dispatcher::set_default(dispatch));
    };
    Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .on_thread_start(move || set(&started))
        .build()
        .unwrap()
}

/// A task that checks at each of its polls that its span is the current one.
#[instrument]
async fn task(number: usize) {
    let own = current();
    assert!(own.is_valid());
    for _ in 0..20 {
        yield_now().await;
        assert_eq!(current(), own);
        let below = async {
            yield_now().await;
            assert_eq!(current().trace_id(), own.trace_id());
            assert_ne!(current().span_id(), own.span_id());
        };
        below.instrument(info_span!("below", number)).await;
        assert_eq!(current(), own);
    }
}

#[test]
fn tasks_that_move_between_threads_have_their_own_context() {
    for unstarted in [false, true] {
        let bench = unstarted_or_not(unstarted);
        let dispatch = tracing::Dispatch::new(crate::harness::subscriber(&bench.spanwise));
        runtime(&dispatch).block_on(async {
            let mut tasks = JoinSet::new();
            for number in 0..50 {
                tasks.spawn(task(number));
                tasks.spawn(async {
                    for _ in 0..20 {
                        assert!(!Context::current().has_active_span(), "a task without a span");
                        yield_now().await;
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
        });
        drop(dispatch);
        let spans = bench.finish();
        let tasks: Vec<&Span> = spans.iter().filter(|span| span.name == "task").collect();
        assert_eq!((tasks.len(), spans.len()), (50, 50 + 50 * 20));
        for task in tasks {
            let below = spans.iter().filter(|span| span.parent_span_id == task.span_id);
            assert_eq!(below.count(), 20);
        }
    }
}

#[test]
fn spawned_blocking_selected_and_cancelled_work_has_the_span_it_was_given() {
    let bench = unstarted_or_not(false);
    let dispatch = tracing::Dispatch::new(crate::harness::subscriber(&bench.spanwise));
    let runtime = runtime(&dispatch);
    let _subscriber = tracing::dispatcher::set_default(&dispatch);
    runtime.block_on(
        async {
            let own = current();
            let spawned = tokio::spawn(async { current() }.in_current_span());
            assert_eq!(spawned.await.unwrap(), own);
            let bare = tokio::spawn(async { current() }.instrument(info_span!("spawned")));
            assert_eq!(bare.await.unwrap().trace_id(), own.trace_id());

            let span = tracing::Span::current();
            let blocking = spawn_blocking(move || {
                let outside = current();
                (outside, span.in_scope(|| info_span!("blocking").in_scope(current)))
            });
            let (outside, inside) = blocking.await.unwrap();
            assert!(!outside.is_valid());
            assert_eq!(inside.trace_id(), own.trace_id());

            tokio::select! {
                () = pending().instrument(info_span!("loser")) => {}
                () = yield_now().instrument(info_span!("winner")) => {}
            }
            assert_eq!(current(), own);

            let cancelled = tokio::spawn(pending::<()>().instrument(info_span!("cancelled")));
            yield_now().await;
            cancelled.abort();
            assert!(cancelled.await.unwrap_err().is_cancelled());
            assert_eq!(current(), own);
        }
        .instrument(info_span!("request")),
    );
    drop(runtime);
    let spans = bench.finish();
    assert_eq!(spans.len(), 6);
    for child in ["spawned", "blocking", "loser", "winner", "cancelled"] {
        assert_child(named(&spans, child), named(&spans, "request"));
    }
}
