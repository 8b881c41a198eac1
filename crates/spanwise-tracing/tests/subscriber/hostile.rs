//! Programs that a subscriber has to survive.

use crate::exported::Exporting;
use spanwise_sdk::DropReason;
use spanwise_tracing::subscriber;
use std::cell::RefCell;
use std::sync::{Barrier, mpsc};
use std::thread;
use tracing::span::Id;
use tracing::{Dispatch, Span, dispatcher, info, info_span};

#[test]
fn a_million_open_spans_are_bounded_and_counted() {
    const SPANS: u64 = 1_000_000;
    const BOUND: u64 = 1_000;
    let exporting = Exporting::new();
    let subscriber = subscriber(&exporting.spanwise)
        .with_context_activation(false)
        .with_max_open_spans(BOUND as usize);
    let spanwise = exporting.spanwise.clone();
    tracing::subscriber::with_default(subscriber, || {
        let mut open = Vec::with_capacity(SPANS as usize);
        open.extend((0..SPANS).map(|_| info_span!("leaked")));
        let ids: std::collections::HashSet<_> = open.iter().filter_map(Span::id).collect();
        assert_eq!(ids.len() as u64, SPANS);
        let counted = spanwise.ledger();
        assert_eq!(counted.dropped(DropReason::TooManyOpenSpans), SPANS - BOUND);
        // A span without a place is nothing, and does no harm.
        let last = open.last().unwrap();
        last.in_scope(|| {
            info!("nowhere");
            assert!(Span::current().is_none());
            assert!(info_span!("child").id().is_some());
        });
        drop(open);
        info_span!("after").in_scope(|| {});
    });
    let exported = exporting.finish();
    assert_eq!(exported.spans.len() as u64, BOUND + 1);
    exported.span("after");
}

#[test]
fn a_nesting_deeper_than_the_stack_closes() {
    const DEPTH: usize = 50_000;
    let exporting = Exporting::new();
    let subscriber = subscriber(&exporting.spanwise).with_context_activation(false);
    tracing::subscriber::with_default(subscriber, || {
        let mut innermost = info_span!("span");
        for _ in 1..DEPTH {
            let child = info_span!(parent: &innermost, "span");
            innermost = child;
        }
        drop(innermost);
    });
    assert_eq!(exporting.finish().spans.len(), DEPTH);
}

#[test]
fn ids_of_closed_spans_and_of_other_subscribers_find_no_span() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    let other = Dispatch::new(subscriber(&exporting.spanwise));
    let start = |dispatch: &Dispatch, name: &'static str| {
        dispatcher::with_default(dispatch, || match name {
            "first" => info_span!("first"),
            _ => info_span!("second"),
        })
    };
    let first = start(&other, "first");
    let stale = first.id().unwrap();
    drop(first);
    // It has the place of the first.
    let second = start(&other, "second");
    assert_ne!(second.id(), Some(stale.clone()));
    let foreign = start(&dispatch, "first");
    let hostile = [0x1, u64::MAX, 0x1_0000_0000, u64::from(u32::MAX), 0xFFFF_FFFF_0000_0041];
    // The id that the place of a closed span gives next.
    let closed = start(&other, "first").id().unwrap();
    let next = Id::from_u64(closed.into_u64() + (1 << 32));
    let ids = hostile.into_iter().map(Id::from_u64).chain([stale, next, foreign.id().unwrap()]);
    for id in ids {
        other.enter(&id);
        assert!(other.current_span().id().is_none());
        dispatcher::with_default(&other, || {
            info!("in no span");
            info!(parent: id.clone(), "in no span");
            drop(info_span!(parent: id.clone(), "orphan"));
        });
        other.exit(&id);
        other.clone_span(&id);
        other.record_follows_from(&id, &id);
        assert!(!other.try_close(id.clone()));
        assert!(!other.try_close(id));
    }
    drop((second, foreign, dispatch, other));
    let exported = exporting.finish();
    assert!(exported.span("second").events.is_empty());
    assert!(exported.span("second").links.is_empty());
    assert!(exported.spans.iter().all(|span| span.parent_span_id.is_empty()));
}

#[test]
fn a_reference_too_few_closes_a_span_once() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    let barrier = Barrier::new(4);
    for _ in 0..200 {
        let span = dispatcher::with_default(&dispatch, || info_span!("span"));
        let id = span.id().unwrap();
        let close = || {
            barrier.wait();
            dispatch.try_close(id.clone())
        };
        let closed = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(close)).collect();
            threads.into_iter().map(|t| usize::from(t.join().unwrap())).sum::<usize>()
        });
        assert_eq!(closed, 1);
        drop(span);
    }
    drop(dispatch);
    assert_eq!(exporting.finish().spans.len(), 200);
}

#[test]
fn spans_close_on_another_thread_than_they_start() {
    const SPANS: usize = 20_000;
    let exporting = Exporting::new();
    let subscriber = subscriber(&exporting.spanwise).with_max_open_spans(4096);
    let dispatch = Dispatch::new(subscriber);
    let (send, receive) = mpsc::sync_channel::<Span>(64);
    thread::scope(|scope| {
        scope.spawn(|| {
            dispatcher::with_default(&dispatch, || {
                receive.into_iter().for_each(|span| span.in_scope(|| info!("elsewhere")));
            });
        });
        let send = send;
        dispatcher::with_default(&dispatch, || {
            (0..SPANS).for_each(|_| send.send(info_span!("span")).unwrap());
        });
    });
    drop(dispatch);
    let exported = exporting.finish();
    assert_eq!(exported.spans.len(), SPANS);
    assert!(exported.spans.iter().all(|span| span.events.len() == 1));
}

#[test]
fn places_of_threads_that_exit_are_used_again() {
    let exporting = Exporting::new();
    let spanwise = exporting.spanwise.clone();
    // Two threads' reserves at most.
    let dispatch = Dispatch::new(subscriber(&spanwise).with_max_open_spans(128));
    for _ in 0..200 {
        let spans = thread::scope(|scope| {
            let start = || {
                dispatcher::with_default(&dispatch, || {
                    (0..96).map(|_| info_span!("span")).collect()
                })
            };
            scope.spawn::<_, Vec<Span>>(start).join().unwrap()
        });
        drop(spans);
    }
    drop(dispatch);
    assert_eq!(spanwise.ledger().dropped(DropReason::TooManyOpenSpans), 0);
    assert_eq!(exporting.finish().spans.len(), 200 * 96);
}

#[test]
fn a_thread_uses_two_subscribers_in_turn() {
    let exporting = Exporting::new();
    let spanwise = exporting.spanwise.clone();
    let dispatches =
        [(); 2].map(|()| Dispatch::new(subscriber(&spanwise).with_max_open_spans(4096)));
    for turn in 0..20_000 {
        let dispatch = &dispatches[turn / 3 % 2];
        dispatcher::with_default(dispatch, || info_span!("span").in_scope(|| info!("event")));
    }
    drop(dispatches);
    let exported = exporting.finish();
    assert_eq!(exported.spans.len(), 20_000);
    assert!(exported.spans.iter().all(|span| span.events.len() == 1));
}

thread_local! {
    static HELD: RefCell<Vec<HeldSpan>> = const { RefCell::new(Vec::new()) };
}

/// Uses its span, and another one, when the thread exits.
struct HeldSpan(Span, Dispatch);

impl Drop for HeldSpan {
    fn drop(&mut self) {
        let Some(id) = self.0.id() else { return };
        self.1.enter(&id);
        self.1.exit(&id);
        self.1.try_close(self.1.clone_span(&id));
    }
}

#[test]
fn destructors_of_a_thread_use_and_close_spans() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    for is_first in [true, false] {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // Before and after the thread has memory of the subscriber: destructors run in the reverse order.
                if is_first {
                    HELD.with(|held| held.borrow_mut().clear());
                }
                let span = dispatcher::with_default(&dispatch, || info_span!("held"));
                span.in_scope(|| info!("event"));
                HELD.with(|held| held.borrow_mut().push(HeldSpan(span, dispatch.clone())));
            });
            // The end of the scope does not wait for destructors.
            thread.join().unwrap();
        });
    }
    drop(dispatch);
    assert_eq!(exporting.finish().spans.len(), 2);
}

#[test]
fn spans_outlive_their_provider_and_their_subscriber() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    let early = dispatcher::with_default(&dispatch, || info_span!("early"));
    let spanwise = exporting.spanwise.clone();
    drop(exporting.finish());
    dispatcher::with_default(&dispatch, || {
        let late = info_span!("late").entered();
        info!("event");
        assert_eq!(Span::current().id(), late.id());
    });
    drop(dispatch);
    early.in_scope(|| info!("event"));
    drop((early, spanwise));
}

#[test]
fn a_span_that_a_thread_is_still_inside_of_can_close() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    dispatcher::with_default(&dispatch, || {
        let span = info_span!("span");
        let id = span.id().unwrap();
        dispatch.enter(&id);
        drop(span);
        info!("in no span");
        assert!(Span::current().is_none());
        info_span!("next").in_scope(|| {});
        dispatch.exit(&id);
    });
    drop(dispatch);
    let exported = exporting.finish();
    assert!(exported.span("span").events.is_empty());
    assert!(
        exported.span("next").parent_span_id.is_empty() || exported.parent("next") == Some("span")
    );
}
