//! A process that forks inside of spans.

use crate::harness::{LONG, assert_balanced, builder, subscriber, within};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use spanwise_receiver::Receiver;
use spanwise_sdk::{DropReason, SpanProcessor};
use spanwise_testkit::{in_forked_child, in_own_process};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tracing::field::Empty;
use tracing::{Dispatch, info_span};

#[derive(Debug)]
struct Nothing;

impl SpanProcessor for Nothing {}

/// The child uses the spans of its parent, and makes spans that no worker exports.
#[test]
fn a_forked_child_inside_of_spans_loses_its_own_alone() {
    in_own_process("forks::a_forked_child_inside_of_spans_loses_its_own_alone", || {
        for unstarted in [false, true] {
            let (receiver, collected) = Receiver::collecting().unwrap();
            let builder = builder().with_endpoint(receiver.http_endpoint());
            let spanwise = match unstarted {
                true => builder.with_span_processor(Nothing).build().unwrap(),
                false => builder.build().unwrap(),
            };
            within(&spanwise, || {
                let open = info_span!("open", late = Empty);
                let idle = info_span!("idle");
                let entered = open.enter();
                let context = Context::current().span().span_context().clone();
                in_forked_child(|_| {
                    let before = spanwise.ledger();
                    open.record("late", 1);
                    tracing::error!("in the child");
                    for _ in 0..100 {
                        info_span!("in the child", a = ?[1]).in_scope(|| {
                            assert_eq!(*Context::current().span().span_context(), context);
                            tracing::info!("in the child");
                        });
                        info_span!(parent: None, "root in the child").in_scope(|| {});
                    }
                    let since = spanwise.ledger().since(&before);
                    assert_eq!(since.created, 200);
                    assert_eq!(since.dropped(DropReason::WorkerUnavailable), 200);
                    drop((entered, idle.clone()));
                    assert!(!Context::current().has_active_span());
                    assert!(spanwise.shutdown_timeout(LONG).is_err());
                });
                drop(idle);
                info_span!("after").in_scope(|| {});
            });
            let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
            assert_balanced(&ledger);
            assert_eq!((ledger.exported, collected.spans()), (3, 3), "{ledger}");
        }
    });
}

#[test]
fn a_forked_child_exports_with_a_provider_and_a_layer_of_its_own() {
    in_own_process("forks::a_forked_child_exports_with_a_provider_and_a_layer_of_its_own", || {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let build = || builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
        let spanwise = build();
        within(&spanwise, || {
            let _entered = info_span!("entered").entered();
            let child = |_: &mut dyn std::io::Write| {
                let spanwise = build();
                within(&spanwise, || {
                    // The parent's span is still the current one.
                    (0..10).for_each(|_| info_span!("in the child").in_scope(|| {}));
                });
                assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().ledger.exported, 10);
            };
            (0..2).for_each(|_| _ = in_forked_child(child));
        });
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_eq!(ledger.exported, 1);
        assert_eq!(collected.spans(), 21);
        let ids: std::collections::HashSet<_> = collected.span_ids().into_iter().collect();
        assert_eq!(ids.len(), 21);
    });
}

/// Other threads use the spans that the child uses, and may hold a lock of the layer at the fork.
#[test]
fn a_fork_while_other_threads_use_the_layer_does_not_hang() {
    in_own_process("forks::a_fork_while_other_threads_use_the_layer_does_not_hang", || {
        let (receiver, _collected) = Receiver::collecting().unwrap();
        let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
        fork_while_threads_use(&Dispatch::new(subscriber(&spanwise)));
        spanwise.shutdown_timeout(LONG).unwrap();
    });
}

/// As above, for the subscriber without a registry. With this bound threads have no free places in reserve: each span takes the lock.
#[test]
fn a_fork_while_other_threads_use_the_subscriber_does_not_hang() {
    in_own_process("forks::a_fork_while_other_threads_use_the_subscriber_does_not_hang", || {
        let (receiver, _collected) = Receiver::collecting().unwrap();
        let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
        let subscriber = spanwise_tracing::subscriber(&spanwise).with_max_open_spans(32);
        fork_while_threads_use(&Dispatch::new(subscriber));
        spanwise.shutdown_timeout(LONG).unwrap();
    });
}

fn fork_while_threads_use(dispatch: &Dispatch) {
    let stop = AtomicBool::new(false);
    tracing::dispatcher::with_default(dispatch, || {
        let shared = info_span!("shared");
        std::thread::scope(|scope| {
            let _stops = Stops(&stop);
            for _ in 0..3 {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(dispatch, || {
                        while !stop.load(Relaxed) {
                            shared.in_scope(|| tracing::info!("event"));
                            drop(info_span!(parent: &shared, "below"));
                        }
                    });
                });
            }
            for _ in 0..FORKS {
                in_forked_child(|_| {
                    for _ in 0..10 {
                        info_span!("root").in_scope(|| {});
                        shared.in_scope(|| tracing::info!("event"));
                    }
                });
            }
        });
    });
}

/// Ends the threads also after a failure.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Forks, each of which hangs with a probability of a percent or more if a lock of another thread stays locked in the child.
const FORKS: usize = 100;
