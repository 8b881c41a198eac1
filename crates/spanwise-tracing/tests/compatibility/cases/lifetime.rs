//! Start and end of spans, also on several threads.

use super::Case;
use crate::bench::{Bench, INACTIVE, PLAIN};
use crate::same;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::thread;
use std::time::{Duration, SystemTime};
use tracing::{info, info_span};

pub fn cases() -> Vec<Case> {
    vec![
        same("A span ends at its last exit, not when it is closed", PLAIN, last_exit),
        same("… without context activation", INACTIVE, last_exit),
        same("A span that is never entered ends when it is closed", PLAIN, |it| {
            let span = info_span!("a");
            info!(parent: &span, "mark");
            pass_time();
            drop(span);
            end_and_mark(&it.span("a"))
        }),
        same("A span that is entered again ends at the last of the exits", PLAIN, |it| {
            let span = info_span!("a");
            span.in_scope(|| ());
            info!(parent: &span, "mark");
            pass_time();
            span.in_scope(|| ());
            drop(span);
            end_and_mark(&it.span("a"))
        }),
        same("A span starts at its creation, not when it is entered", PLAIN, |it| {
            let span = info_span!("a");
            pass_time();
            info!(parent: &span, "mark");
            span.in_scope(|| ());
            drop(span);
            let span = it.span("a");
            let is_earlier = span.start_time_unix_nano < span.events[0].time_unix_nano;
            if is_earlier { "starts at its creation" } else { "starts when entered" }.to_owned()
        }),
        same("A span is exported when its last handle is dropped", PLAIN, |it| {
            let span = info_span!("a");
            let other = span.clone();
            drop(span);
            let before = it.spans().len();
            drop(other);
            format!("{before}, then {}", it.spans().len())
        }),
        same("A span stays open while it is entered", PLAIN, |it| {
            let entered = info_span!("a").entered();
            let before = it.spans().len();
            drop(entered);
            format!("{before}, then {}", it.spans().len())
        }),
        same("A parent is closed behind its children", PLAIN, |it| {
            let parent = info_span!("a");
            let child = parent.in_scope(|| info_span!("b"));
            drop(parent);
            let before = it.spans().len();
            drop(child);
            format!("{before} exported, then {}; {}", it.spans().len(), it.text())
        }),
        same("A child that outlives its parent", PLAIN, |it| {
            let parent = info_span!("a");
            let child = parent.in_scope(|| info_span!("b"));
            drop(parent);
            child.in_scope(|| info!("late"));
            drop(child);
            it.text()
        }),
        same("A span that is entered on another thread", PLAIN, other_thread),
        same("… without context activation", INACTIVE, other_thread),
        same("A span that two threads have entered", PLAIN, |it| {
            let span = info_span!("a");
            let (dispatch, inner) = (it.dispatch().clone(), span.clone());
            span.in_scope(|| {
                let thread = thread::spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        inner.in_scope(|| drop(info_span!("b")));
                    });
                });
                thread.join().unwrap();
                drop(info_span!("c"));
            });
            drop(span);
            it.text()
        }),
        same("A span whose last handle another thread drops", PLAIN, |it| {
            let span = info_span!("a");
            span.in_scope(|| info!("here"));
            let dispatch = it.dispatch().clone();
            thread::spawn(move || tracing::dispatcher::with_default(&dispatch, || drop(span)))
                .join()
                .unwrap();
            it.text()
        }),
        same("A panic inside of a span", PLAIN, |it| {
            let caught = std::panic::catch_unwind(|| {
                // Without the hook, which would print.
                info_span!("a").in_scope(|| std::panic::resume_unwind(Box::new(())));
            });
            format!("{}; {}", caught.is_err(), it.text())
        }),
    ]
}

fn last_exit(it: &Bench) -> String {
    let span = info_span!("a");
    span.in_scope(|| ());
    pass_time();
    info!(parent: &span, "mark");
    pass_time();
    drop(span);
    end_and_mark(&it.span("a"))
}

fn other_thread(it: &Bench) -> String {
    let span = info_span!("a");
    let dispatch = it.dispatch().clone();
    let inner = span.clone();
    let thread = thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            inner.in_scope(|| {
                info!("there");
                drop(info_span!("b"));
            });
            drop(inner);
        });
    });
    thread.join().unwrap();
    drop(info_span!("c"));
    drop(span);
    it.text()
}

/// Whether the span ends before or after its event.
fn end_and_mark(span: &Span) -> String {
    let is_earlier = span.end_time_unix_nano < span.events[0].time_unix_nano;
    if is_earlier { "ends before the event" } else { "ends after the event" }.to_owned()
}

/// Waits until the clock shows another time.
fn pass_time() {
    let then = SystemTime::now();
    while SystemTime::now().duration_since(then).unwrap_or_default() < Duration::from_micros(10) {
        thread::yield_now();
    }
}
