//! Flush and shutdown from every context, against every fault of a receiver, within their deadlines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::Tracer as _;
use spanwise_sdk::{DropReason, FlushError, Outcome, Spanwise};
use spanwise_testkit::{Fault, FaultProxy, spans};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::{LONG, assert_idle, bench, builder, wait_until_idle};

/// A context in which a program calls flush or shutdown.
#[derive(Debug, Clone, Copy)]
enum From {
    PlainThread,
    CurrentThreadRuntime,
    MultiThreadOfOne,
    TaskOfMultiThread,
    PanicHook,
    DropInRuntime,
}

const EVERYWHERE: [From; 6] = [
    From::PlainThread,
    From::CurrentThreadRuntime,
    From::MultiThreadOfOne,
    From::TaskOfMultiThread,
    From::PanicHook,
    From::DropInRuntime,
];

impl From {
    fn call(self, work: impl FnOnce() + Send + 'static) {
        let current =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let multi = |threads| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .enable_all()
                .build()
                .unwrap()
        };
        match self {
            Self::PlainThread => std::thread::spawn(work).join().unwrap(),
            Self::CurrentThreadRuntime => current().block_on(async { work() }),
            Self::MultiThreadOfOne => {
                multi(1).block_on(async { tokio::spawn(async { work() }).await.unwrap() });
            }
            Self::TaskOfMultiThread => {
                multi(2).block_on(async { tokio::spawn(async { work() }).await.unwrap() });
            }
            Self::PanicHook => call_in_panic_hook(work),
            Self::DropInRuntime => {
                struct Last<F: FnOnce()>(Option<F>);
                impl<F: FnOnce()> Drop for Last<F> {
                    fn drop(&mut self) {
                        (self.0.take().unwrap())();
                    }
                }
                current().block_on(async { drop(Last(Some(work))) });
            }
        }
    }
}

fn call_in_panic_hook(work: impl FnOnce() + Send + 'static) {
    // The process has one panic hook, so the calls take turns.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (done, wait) = mpsc::channel();
    let work = std::sync::Mutex::new(Some(work));
    let id = std::sync::Arc::new(std::sync::OnceLock::new());
    let theirs = id.clone();
    let before = std::sync::Arc::new(std::panic::take_hook());
    let inner = before.clone();
    std::panic::set_hook(Box::new(move |info| {
        if theirs.get() != Some(&std::thread::current().id()) {
            return inner(info);
        }
        if let Some(work) = work.lock().unwrap().take() {
            work();
        }
        let _ = done.send(());
    }));
    let thread = std::thread::spawn(move || {
        id.set(std::thread::current().id()).unwrap();
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    drop(std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| before(info)));
    wait.try_recv().unwrap();
}

fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("lifecycle");
    for _ in 0..count {
        drop(tracer.start("span"));
    }
}

#[test]
fn a_flush_delivers_earlier_spans_in_every_context() {
    for from in EVERYWHERE {
        let bench = bench(|builder| builder.with_scheduled_delay(Duration::from_secs(3600)));
        make(&bench.spanwise, 1000);
        let spanwise = bench.spanwise.clone();
        from.call(move || {
            let report = spanwise.force_flush_timeout(LONG).unwrap();
            assert_eq!(report.ledger.exported, 1000);
        });
        assert_eq!(bench.receiver.stats().spans, 1000, "{from:?}");
        make(&bench.spanwise, 10);
        assert_eq!(spans(&bench.finish()).count(), 1010, "{from:?}");
    }
}

#[test]
fn a_shutdown_delivers_every_span_in_every_context() {
    for from in EVERYWHERE {
        let bench = bench(|builder| builder);
        make(&bench.spanwise, 1000);
        let spanwise = bench.spanwise.clone();
        from.call(move || {
            assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
            let again = spanwise.shutdown_timeout(LONG).unwrap_err();
            assert!(matches!(again, FlushError::AlreadyShutdown));
            assert!(matches!(spanwise.force_flush_timeout(LONG), Err(FlushError::AlreadyShutdown)));
        });
        assert_eq!(bench.receiver.stats().spans, 1000, "{from:?}");
    }
}

#[test]
fn a_shutdown_returns_by_its_deadline_under_every_fault() {
    let deadline = Duration::from_millis(150);
    for from in EVERYWHERE {
        for fault in [
            Fault::Refuse,
            Fault::BlackHole,
            Fault::StopReading,
            Fault::DripResponse { bytes_per_tick: 1, tick: Duration::from_secs(1) },
            Fault::ResetAfterRequestBytes(40),
        ] {
            let (receiver, _) = spanwise_receiver::Receiver::collecting().unwrap();
            let proxy = FaultProxy::start(receiver.address()).unwrap();
            proxy.set(fault);
            let spanwise = builder().with_endpoint(proxy.endpoint()).build().unwrap();
            make(&spanwise, 100);
            let (spanwise, ledger) = {
                let (send, receive) = mpsc::channel();
                from.call(move || {
                    let started = Instant::now();
                    let result = spanwise.shutdown_timeout(deadline);
                    let took = started.elapsed();
                    assert!(matches!(result, Err(FlushError::Timeout(_))), "{result:?}");
                    // A second allows for a loaded machine; an attempt would take ten.
                    assert!(took < deadline + Duration::from_secs(1), "{took:?}");
                    send.send((spanwise.clone(), wait_until_idle(&spanwise))).unwrap();
                });
                receive.recv().unwrap()
            };
            assert_idle(&ledger);
            assert_eq!(ledger.created, 100, "{from:?} {fault:?}");
            // Spans of a request that was sent have another reason: the receiver may have stored them.
            let lost = ledger.dropped(DropReason::ShutdownDeadline)
                + ledger.dropped(DropReason::AmbiguousShutdown);
            assert_eq!(lost, 100, "{from:?} {fault:?}");
            drop(spanwise);
        }
    }
}

#[test]
fn a_flush_at_its_deadline_loses_nothing() {
    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::BlackHole);
    let spanwise = builder()
        .with_endpoint(proxy.endpoint())
        .with_attempt_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    make(&spanwise, 100);
    let error = spanwise.force_flush_timeout(Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, FlushError::Timeout(report) if report.ledger.in_flight == 100));
    proxy.set(Fault::Pass);
    spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(collected.spans(), 100);
}

/// `x()` uses the configured timeout, `x_timeout` takes one, `x_until` takes a deadline.
#[test]
fn each_flush_and_shutdown_returns_by_its_own_deadline() {
    let receiver = spanwise_receiver::Receiver::builder().start().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::BlackHole);
    type Call = fn(&Spanwise) -> Result<spanwise_sdk::Report, FlushError>;
    let flushes: [Call; 3] = [
        |it| it.force_flush(),
        |it| it.force_flush_timeout(SHORT),
        |it| it.force_flush_until(Instant::now() + SHORT),
    ];
    let shutdowns: [Call; 3] = [
        |it| it.shutdown(),
        |it| it.shutdown_timeout(SHORT),
        |it| it.shutdown_until(Instant::now() + SHORT),
    ];
    for (variant, (flush, shutdown)) in flushes.into_iter().zip(shutdowns).enumerate() {
        // Only the calls without an argument use the configured timeout.
        let configured = if variant == 0 { SHORT } else { Duration::from_secs(3600) };
        let spanwise = builder()
            .with_endpoint(proxy.endpoint())
            .with_shutdown_timeout(configured)
            .build()
            .unwrap();
        make(&spanwise, 10);
        let begun = Instant::now();
        let error = flush(&spanwise).unwrap_err();
        let FlushError::Timeout(report) = error else { panic!("{error}") };
        assert!(begun.elapsed() >= SHORT && report.ledger.in_flight == 10, "{report}");
        let begun = Instant::now();
        let error = shutdown(&spanwise).unwrap_err();
        assert!(matches!(error, FlushError::Timeout(_)) && begun.elapsed() >= SHORT, "{error}");
        assert!(begun.elapsed() < LONG, "the configured hour is not used");
        assert_idle(&wait_until_idle(&spanwise));
        assert!(matches!(flush(&spanwise), Err(FlushError::AlreadyShutdown)));
    }
}

/// A call whose deadline has passed returns at once.
#[test]
fn a_call_with_a_past_deadline_does_not_wait() {
    let bench = bench(|builder| builder);
    make(&bench.spanwise, 10);
    let past = Instant::now();
    let _timed_out = bench.spanwise.force_flush_until(past);
    let _timed_out = bench.spanwise.shutdown_until(past);
    assert_idle(&wait_until_idle(&bench.spanwise));
}

const SHORT: Duration = Duration::from_millis(50);

/// The waits of a call share its deadline: for the worker, which a sink blocks here, and for the diagnostics
/// handler, which blocks too.
#[test]
fn a_call_returns_50_ms_after_its_deadline_while_worker_and_handler_are_blocked() {
    for is_flush in [false, true] {
        let overshoot = || {
            let (release, released) = mpsc::channel::<()>();
            let released = std::sync::Mutex::new(released);
            let (enter, entered) = mpsc::channel();
            let (unblock_handler, handler_unblocked) = mpsc::channel::<()>();
            let handler_unblocked = std::sync::Mutex::new(handler_unblocked);
            let spanwise = Spanwise::builder()
                .with_environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "no".into()))
                .with_diagnostics(move |_| _ = handler_unblocked.lock().unwrap().recv())
                .with_sink(move |_| {
                    let _received = enter.send(());
                    let _dropped = released.lock().unwrap().recv();
                    std::future::ready(Outcome::Accepted { rejected: 0, message: None })
                })
                .build()
                .unwrap();
            make(&spanwise, 1);
            let _started = spanwise.force_flush_timeout(Duration::ZERO);
            entered.recv_timeout(LONG).unwrap();
            let started = Instant::now();
            let result = match is_flush {
                true => spanwise.force_flush_timeout(SHORT),
                false => spanwise.shutdown_timeout(SHORT),
            };
            let overshoot = started.elapsed() - SHORT;
            assert!(matches!(result, Err(FlushError::Timeout(_))), "{result:?}");
            drop((release, unblock_handler));
            overshoot
        };
        // A busy machine delays some calls; a call that waits too long always does.
        assert!((0..30).any(|_| overshoot() <= Duration::from_millis(50)), "flush: {is_flush}");
    }
}

#[test]
fn many_threads_flush_and_shut_down_at_once() {
    for _ in 0..20 {
        let bench = bench(|builder| builder);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let spanwise = &bench.spanwise;
                scope.spawn(move || {
                    make(spanwise, 500);
                    let result = match thread {
                        0 => spanwise.shutdown_timeout(LONG),
                        _ => spanwise.force_flush_timeout(LONG),
                    };
                    assert!(
                        matches!(result, Ok(_) | Err(FlushError::AlreadyShutdown)),
                        "{result:?}"
                    );
                    make(spanwise, 10);
                });
            }
        });
        let ledger = bench.spanwise.ledger();
        assert_idle(&ledger);
        assert!((500..=8 * 510).contains(&ledger.created), "no-op once shut down");
        let late = ledger.dropped(DropReason::AfterShutdown);
        assert_eq!(ledger.exported + late, ledger.created, "{ledger}");
        assert_eq!(ledger.exported, bench.receiver.stats().spans);
    }
}

#[test]
fn the_last_handle_shuts_down() {
    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let tracer = spanwise.tracer("last");
    drop(spanwise);
    drop(tracer.start("still traced: the tracer owns the pipeline too"));
    let open = tracer.start("outlives everything");
    drop(tracer);
    assert!(collected.wait_for_spans(1, LONG));
    drop(open);
}

/// The API drops the old global provider under its lock, so the drop must not block.
#[test]
fn dropping_a_provider_does_not_wait_for_its_receiver() {
    let (receiver, _) = spanwise_receiver::Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::BlackHole);
    for from in EVERYWHERE {
        let spanwise = builder()
            .with_endpoint(proxy.endpoint())
            .with_shutdown_timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        make(&spanwise, 100);
        let dropped = Instant::now();
        from.call(move || drop(spanwise));
        // The bound tests no speed: a drop that waits would take a minute.
        assert!(dropped.elapsed() < LONG, "{from:?}");
    }
}

#[test]
fn a_maximal_duration_is_a_wait_without_a_limit() {
    for from in EVERYWHERE {
        let bench = bench(|builder| {
            builder
                .with_shutdown_timeout(Duration::MAX)
                .with_attempt_timeout(Duration::MAX)
                .with_export_timeout(Duration::MAX)
                .with_scheduled_delay(Duration::from_secs(30 * 24 * 60 * 60))
                .with_on_full(spanwise_sdk::OnFull::Wait(Duration::MAX))
        });
        make(&bench.spanwise, 10);
        let spanwise = bench.spanwise.clone();
        from.call(move || {
            assert_eq!(spanwise.force_flush_timeout(Duration::MAX).unwrap().exported, 10);
            make(&spanwise, 10);
            assert_eq!(spanwise.shutdown_timeout(Duration::MAX).unwrap().exported, 10);
        });
        assert_eq!(bench.receiver.stats().spans, 20, "{from:?}");
    }
}

#[test]
fn the_schedule_exports_spans_without_a_flush() {
    let bench = bench(|builder| builder.with_scheduled_delay(Duration::from_millis(50)));
    make(&bench.spanwise, 5);
    assert!(bench.collected.wait_for_spans(5, LONG));
}

#[test]
fn short_lived_threads_lose_no_span() {
    let bench = bench(|builder| builder);
    for _ in 0..50 {
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| make(&bench.spanwise, 3));
            }
        });
    }
    assert_eq!(spans(&bench.finish()).count(), 3000);
}

#[test]
fn a_span_may_end_in_a_thread_local_destructor() {
    struct Holder(std::cell::RefCell<Option<spanwise_sdk::Span>>);
    impl Drop for Holder {
        fn drop(&mut self) {
            drop(self.0.borrow_mut().take());
        }
    }
    thread_local!(static HOLDER: Holder = const { Holder(std::cell::RefCell::new(None)) });

    let bench = bench(|builder| builder);
    for first_ours in [true, false] {
        let tracer = bench.spanwise.tracer("destructor");
        std::thread::spawn(move || {
            // A thread runs its destructors in the order of first use or in reverse.
            if first_ours {
                drop(tracer.start("first"));
            }
            HOLDER.with(|holder| *holder.0.borrow_mut() = Some(tracer.start("held")));
        })
        .join()
        .unwrap();
    }
    assert_eq!(spans(&bench.finish()).count(), 3);
}
