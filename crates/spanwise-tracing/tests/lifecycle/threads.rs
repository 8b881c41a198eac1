//! The end of a thread and of the process with spans that are open, entered, or made by destructors.

use crate::harness::{Bench, LONG, bench, builder, subscriber, until};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use spanwise_receiver::Receiver;
use spanwise_testkit::{in_own_process, rerun};
use std::cell::RefCell;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tracing::field::Empty;
use tracing::span::EnteredSpan;
use tracing::{Dispatch, Span, info_span};

/// Makes spans when the thread destroys it.
struct Late(Dispatch);

impl Drop for Late {
    fn drop(&mut self) {
        make_spans(&self.0);
    }
}

/// Makes two spans with each operation. A thread that has destroyed tracing's own state has no current subscriber.
fn make_spans(dispatch: &Dispatch) {
    tracing::dispatcher::with_default(dispatch, || {
        let span = info_span!("late", a = 1, b = ?[1], c = Empty);
        span.record("c", tracing::field::debug("text"));
        span.in_scope(|| {
            tracing::error!(d = ?[2], "event");
            info_span!("below").in_scope(|| {});
        });
    });
}

thread_local! {
    static FIRST: RefCell<Option<Late>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<Late>> = const { RefCell::new(None) };
    static ENTERED: RefCell<Option<EnteredSpan>> = const { RefCell::new(None) };
    static OPEN: RefCell<Option<Span>> = const { RefCell::new(None) };
}

fn unfinished(activation: bool) -> (Bench, Dispatch) {
    let bench = bench(|builder| builder);
    let layer = spanwise_tracing::layer(&bench.spanwise)
        .with_context_activation(activation)
        .with_tracked_inactivity(true)
        .with_threads(true);
    let subscriber =
        tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer);
    (bench, Dispatch::new(subscriber))
}

/// The thread destroys its variables in the reverse order of their first use: before and after those of the layer, of the
/// API and of the registry.
#[test]
fn a_thread_ends_with_open_and_entered_spans_and_makes_further_ones() {
    in_own_process(
        "threads::a_thread_ends_with_open_and_entered_spans_and_makes_further_ones",
        || {
            static PANICS: AtomicUsize = AtomicUsize::new(0);
            let default = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                PANICS.fetch_add(1, SeqCst);
                default(info);
            }));
            for activation in [true, false] {
                let (bench, dispatch) = unfinished(activation);
                let ending = dispatch.clone();
                std::thread::spawn(move || {
                    FIRST.with(|first| *first.borrow_mut() = Some(Late(ending.clone())));
                    let _subscriber = tracing::dispatcher::set_default(&ending);
                    OPEN.with(|open| *open.borrow_mut() = Some(info_span!("open")));
                    ENTERED.with(|entered| {
                        *entered.borrow_mut() = Some(info_span!("entered").entered());
                    });
                    SECOND.with(|second| *second.borrow_mut() = Some(Late(ending.clone())));
                })
                .join()
                .unwrap();
                drop(dispatch);
                let ledger = bench.spanwise.ledger();
                let spans = bench.finish();
                assert_eq!(PANICS.load(SeqCst), 0, "activation {activation}");
                for name in ["open", "entered"] {
                    assert_eq!(spans.iter().filter(|span| span.name == name).count(), 1, "{name}");
                }
                assert!(spans.iter().any(|span| span.name == "late"), "{ledger}");
            }
        },
    );
}

/// The span stays open, and the next thread does not find it.
#[test]
fn a_thread_that_never_exits_its_span_leaves_no_trace_in_others() {
    let bench = bench(|builder| builder);
    let dispatch = Dispatch::new(subscriber(&bench.spanwise));
    let leaked = {
        let dispatch = dispatch.clone();
        let leak = move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let span = info_span!("leaked");
                std::mem::forget(span.clone().entered());
                assert!(Context::current().has_active_span());
                span
            })
        };
        std::thread::spawn(leak).join().unwrap()
    };
    let next = {
        let dispatch = dispatch.clone();
        move || {
            tracing::dispatcher::with_default(&dispatch, || {
                assert!(!Context::current().has_active_span());
                info_span!("next").in_scope(|| {});
            });
        }
    };
    std::thread::spawn(next).join().unwrap();
    drop(leaked);
    bench.spanwise.force_flush_timeout(LONG).unwrap();
    let spans = bench.received();
    assert_eq!((spans.len(), spans[0].parent_span_id.len()), (1, 0));
    assert_eq!(bench.spanwise.ledger().in_flight, 1, "the leaked one");
}

const URL: &str = "SPANWISE_TEST_URL";

/// The process of the next test; without its variable an empty test.
#[test]
fn exits() {
    let Ok(url) = std::env::var(URL) else { return };
    let spanwise = builder().with_endpoint(url).build().unwrap();
    let dispatch = Dispatch::new(subscriber(&spanwise));
    tracing::dispatcher::set_global_default(dispatch.clone()).unwrap();
    FIRST.with(|first| *first.borrow_mut() = Some(Late(dispatch.clone())));
    std::mem::forget(info_span!("entered").entered());
    OPEN.with(|open| *open.borrow_mut() = Some(info_span!("open")));
    (0..10).for_each(|_| info_span!("span").in_scope(|| {}));
    // The other threads of the process make spans while it exits.
    for _ in 0..2 {
        let dispatch = dispatch.clone();
        std::thread::spawn(move || {
            loop {
                make_spans(&dispatch);
            }
        });
    }
    until("both threads make spans", || spanwise.ledger().created > 1000);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert!(report.ledger.exported > 10);
    std::process::exit(0);
}

#[test]
fn a_process_exits_while_its_threads_make_spans() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    for _ in 0..3 {
        let output = rerun("threads::exits")
            .env(URL, receiver.http_endpoint())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("panicked"), "{errors}");
    }
    assert!(collected.spans() > 30);
}

/// As of a program with very many threads.
#[test]
fn a_small_stack_suffices() {
    let bench = bench(|builder| builder);
    let dispatch = Dispatch::new(subscriber(&bench.spanwise));
    let make = move || {
        for _ in 0..3 {
            make_spans(&dispatch);
        }
        tracing::dispatcher::with_default(&dispatch, || {
            let error = std::io::Error::other("an error");
            let error: &(dyn std::error::Error + 'static) = &error;
            let big = "x".repeat(100_000);
            info_span!("big", big, error, list = ?vec![1; 1000]).in_scope(|| {
                tracing::error!(error, big, "event");
            });
        });
    };
    let small = std::thread::Builder::new().stack_size(64 << 10);
    small.spawn(make).unwrap().join().unwrap();
    assert_eq!(bench.finish().len(), 7);
}
