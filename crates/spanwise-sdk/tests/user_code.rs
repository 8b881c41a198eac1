//! Hostile user code: samplers, sinks and diagnostics handlers that panic or block lose no span without
//! an outcome.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use bytes::Bytes;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use spanwise_sdk::sampling::{ComposableSampler, SamplingIntent, SamplingParameters, Tick};
use spanwise_sdk::{Counter, DropReason, Spanwise};
use spanwise_testkit::PanicOnDrop;
use spanwise_transport::Outcome;
use std::future::ready;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, assert_idle, bench, builder};

/// A sampler that panics in one of its methods.
#[derive(Debug)]
struct Panicking {
    place: Place,
    calls: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    SamplingDecision,
    Tick,
    Drop,
}

impl Panicking {
    fn at(place: Place) -> Self {
        Self { place, calls: Arc::default() }
    }
}

impl ComposableSampler for Panicking {
    fn sampling_intent(&self, _: &SamplingParameters<'_>) -> SamplingIntent<'_> {
        if self.place == Place::SamplingDecision {
            panic_any(PanicOnDrop);
        }
        SamplingIntent::keep_without_threshold()
    }

    fn tick(&self, _: &Tick) {
        self.calls.fetch_add(1, SeqCst);
        if self.place == Place::Tick {
            panic_any(PanicOnDrop);
        }
    }

    fn description(&self) -> String {
        "Panicking".to_owned()
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        if self.place == Place::Drop {
            panic_any(PanicOnDrop);
        }
    }
}

fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("user code");
    (0..count).for_each(|_| drop(tracer.start("span")));
}

#[test]
fn a_sampler_whose_tick_panics_stops_no_export() {
    let calls = Arc::new(AtomicUsize::new(0));
    let sampler = Panicking { place: Place::Tick, calls: calls.clone() };
    let log = DiagnosticLog::default();
    let bench = bench(|builder| log.attach(builder).with_sampler(sampler));
    let patience = Instant::now() + LONG;
    while calls.load(SeqCst) < 3 && Instant::now() < patience {
        make(&bench.spanwise, 10);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(calls.load(SeqCst) >= 3, "the worker still calls the tick");
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.exported, bench.collected.spans()), (ledger.created, ledger.created));
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("the sampler's tick panicked")), "{lines:?}");
}

#[test]
fn a_root_is_dropped_and_a_child_follows_its_parent_when_the_sampler_panics() {
    let bench = bench(|builder| builder.with_sampler(Panicking::at(Place::SamplingDecision)));
    let tracer = bench.spanwise.tracer("user code");
    drop(tracer.start("a root is not sampled"));
    let sampled = opentelemetry::trace::SpanContext::new(
        1u128.into(),
        2u64.into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        true,
        Default::default(),
    );
    drop(tracer.start_with_context(
        "a child follows its parent",
        &Context::new().with_remote_span_context(sampled),
    ));
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.sampled_out, ledger.exported), (1, 1));
    assert_eq!(ledger.counter(Counter::SamplerPanicked), 2);
}

#[test]
fn a_sampler_whose_drop_panics_loses_no_span() {
    for exchanged in [false, true] {
        let bench = bench(|builder| builder.with_sampler(Panicking::at(Place::Drop)));
        make(&bench.spanwise, 10);
        let open = bench.spanwise.tracer("user code").start("outlives its provider");
        if exchanged {
            // The user calls `set_sampler`, so the panic may unwind into that caller.
            let spanwise = bench.spanwise.clone();
            let set = std::thread::spawn(move || {
                spanwise.set_sampler(spanwise_sdk::sampling::Sampler::always_on());
            });
            if let Err(payload) = set.join() {
                std::mem::forget(payload);
            }
        }
        let spanwise = bench.spanwise.clone();
        let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_eq!(ledger.exported, 10);
        drop(open);
        assert_idle(&spanwise.ledger());
    }
}

#[test]
fn a_diagnostics_handler_that_blocks_stops_no_export() {
    let (entered, blocked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
    let door = blocked.lock().unwrap();
    let (inside, shut) = (entered.clone(), blocked.clone());
    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let spanwise = Spanwise::builder()
        // An invalid setting: `build` reports it and does not wait for the handler.
        .with_environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "soon".to_owned()))
        .with_diagnostics(move |_| {
            inside.fetch_add(1, SeqCst);
            drop(shut.lock());
        })
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    make(&spanwise, 100);
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 100);
    make(&spanwise, 100);
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(collected.spans(), 200);
    assert_eq!(entered.load(SeqCst), 1, "one thread calls the handler");
    drop(door);
}

/// A value that the handler captured may block in its drop, and then blocks no thread of the
/// application.
#[test]
fn no_thread_waits_for_the_drop_of_a_handler() {
    struct Blocks(Arc<Mutex<()>>, Arc<AtomicUsize>);
    impl Drop for Blocks {
        fn drop(&mut self) {
            drop(self.0.lock());
            self.1.fetch_add(1, SeqCst);
            panic_any(PanicOnDrop);
        }
    }
    for disabled in [false, true] {
        let (door, dropped) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let closed = door.lock().unwrap();
        let held = Blocks(door.clone(), dropped.clone());
        let spanwise = Spanwise::builder()
            .with_environment(move |name| {
                (disabled && name == "OTEL_SDK_DISABLED").then(|| "true".to_owned())
            })
            .with_diagnostics(move |_| drop(held.1.clone()))
            .with_sink(|_: Bytes| ready(Outcome::Accepted { rejected: 0, message: None }))
            .build()
            .unwrap();
        make(&spanwise, 10);
        spanwise.shutdown_timeout(LONG).unwrap();
        drop(spanwise);
        assert_eq!(dropped.load(SeqCst), 0);
        drop(closed);
        let patience = Instant::now() + LONG;
        while dropped.load(SeqCst) == 0 {
            assert!(Instant::now() < patience, "the handler is dropped");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A sampler that replaces itself in its decision: the call owns it last, and its drop panics.
#[test]
fn a_sampler_exchanged_in_its_own_decision_loses_no_span() {
    struct Exchanging(Arc<Mutex<Option<Spanwise>>>);
    impl std::fmt::Debug for Exchanging {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Exchanging")
        }
    }
    impl ComposableSampler for Exchanging {
        fn sampling_intent(&self, _: &SamplingParameters<'_>) -> SamplingIntent<'_> {
            let spanwise = self.0.lock().unwrap().take();
            if let Some(spanwise) = spanwise {
                spanwise.set_sampler(spanwise_sdk::sampling::Sampler::always_on());
            }
            SamplingIntent::keep_without_threshold()
        }
        fn description(&self) -> String {
            "Exchanging".to_owned()
        }
    }
    impl Drop for Exchanging {
        fn drop(&mut self) {
            panic_any(PanicOnDrop);
        }
    }
    let held = Arc::new(Mutex::new(None));
    let bench = bench(|builder| builder.with_sampler(Exchanging(held.clone())));
    *held.lock().unwrap() = Some(bench.spanwise.clone());
    make(&bench.spanwise, 10);
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (10, 10));
}

#[test]
fn a_slow_handler_receives_the_queued_reports() {
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap();
    let (log, shut) = (DiagnosticLog::default(), door.clone());
    let lines = log.clone();
    let built = Spanwise::builder()
        .with_environment(|name| {
            // Each of these is reported.
            (name.contains("LIMIT") || name.contains("DELAY")).then(|| "many".to_owned())
        })
        .with_diagnostics(move |diagnostic| {
            drop(shut.lock());
            lines.push(diagnostic.to_string());
        })
        .with_sink(|_: Bytes| ready(Outcome::Failed(spanwise_transport::Failure::TooLarge)))
        .build()
        .unwrap();
    drop(closed);
    make(&built, 1);
    assert_idle(&built.shutdown_timeout(LONG).unwrap().ledger);
    let patience = Instant::now() + LONG;
    while !log.lines().iter().any(|line| line.contains("too_large 1")) {
        assert!(Instant::now() < patience, "{:?}", log.lines());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The call panics, or the future's poll, or its drop.
#[test]
fn a_sink_that_panics_loses_its_request_alone() {
    struct Future(u8);
    impl std::future::Future for Future {
        type Output = Outcome;

        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Outcome> {
            match self.0 {
                1 => panic_any(PanicOnDrop),
                _ => std::task::Poll::Ready(Outcome::Accepted { rejected: 0, message: None }),
            }
        }
    }
    impl Drop for Future {
        fn drop(&mut self) {
            if self.0 == 2 && !std::thread::panicking() {
                panic_any(PanicOnDrop);
            }
        }
    }
    for place in 0..3 {
        let sink = move |_: Bytes| match place {
            0 => panic_any(PanicOnDrop),
            place => Future(place),
        };
        let spanwise = builder().with_sink(sink).build().unwrap();
        for round in 1..=3 {
            make(&spanwise, 10);
            spanwise.force_flush_timeout(LONG).unwrap();
            assert_eq!(spanwise.ledger().in_flight, 0, "{place} {round}");
        }
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_idle(&ledger);
        assert_eq!(ledger.dropped(DropReason::ExporterPanic) + ledger.exported, 30, "{place}");
    }
}

#[test]
fn samplers_and_handlers_may_start_spans() {
    #[derive(Debug)]
    struct Reentrant;
    impl ComposableSampler for Reentrant {
        fn sampling_intent(&self, _: &SamplingParameters<'_>) -> SamplingIntent<'_> {
            SamplingIntent::keep_without_threshold()
        }
        fn tick(&self, _: &Tick) {
            drop(global::tracer("re-entrant").start("from a tick"));
        }
        fn description(&self) -> String {
            "Reentrant".to_owned()
        }
    }
    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let spanwise = Spanwise::builder()
        .with_environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "soon".to_owned()))
        .with_diagnostics(|_| drop(global::tracer("re-entrant").start("from a handler")))
        .with_sampler(Reentrant)
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    global::set_tracer_provider(spanwise.clone());
    let patience = Instant::now() + Duration::from_millis(300);
    while Instant::now() < patience {
        make(&spanwise, 1);
        std::thread::sleep(Duration::from_millis(10));
    }
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    // Our threads suppress telemetry, so these spans cause no loop.
    assert_eq!(collected.spans(), ledger.created);
    assert!(ledger.created <= 31, "{ledger}");
}
