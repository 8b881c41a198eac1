//! Code of the user's that we call, at its worst: nothing of ours dies of it, nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use bytes::Bytes;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use spanwise_sdk::sampling::{ComposableSampler, SamplingIntent, SamplingParameters, Tick};
use spanwise_sdk::{Counter, DropReason, Spanwise};
use spanwise_transport::Outcome;
use std::future::ready;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LONG, Said, bench, builder, settled};

/// A payload that panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a payload's drop, on purpose");
        }
    }
}

/// A sampler that panics where it is told to.
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
            panic_any(Bomb);
        }
        SamplingIntent::keep_without_threshold()
    }

    fn tick(&self, _: &Tick) {
        self.calls.fetch_add(1, SeqCst);
        if self.place == Place::Tick {
            panic_any(Bomb);
        }
    }

    fn description(&self) -> String {
        "Panicking".to_owned()
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        if self.place == Place::Drop {
            panic_any(Bomb);
        }
    }
}

fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("user code");
    (0..count).for_each(|_| drop(tracer.start("span")));
}

#[test]
fn a_sampler_that_panics_in_its_tick_stops_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let sampler = Panicking { place: Place::Tick, calls: calls.clone() };
    let said = Said::default();
    let bench = bench(|builder| said.listen(builder).with_sampler(sampler));
    let patience = Instant::now() + LONG;
    while calls.load(SeqCst) < 3 && Instant::now() < patience {
        make(&bench.spanwise, 10);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(calls.load(SeqCst) >= 3, "it goes on");
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    settled(&ledger);
    assert_eq!((ledger.exported, bench.collected.spans()), (ledger.created, ledger.created));
    let lines = said.lines();
    assert!(lines.iter().any(|line| line.contains("the sampler's tick panicked")), "{lines:?}");
}

#[test]
fn a_sampler_that_panics_in_its_decision_costs_the_decision() {
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
        "a child goes with its parent",
        &Context::new().with_remote_span_context(sampled),
    ));
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    settled(&ledger);
    assert_eq!((ledger.sampled_out, ledger.exported), (1, 1));
    assert_eq!(ledger.counter(Counter::SamplerPanicked), 2);
}

#[test]
fn a_sampler_that_panics_in_its_drop_costs_no_span() {
    for exchanged in [false, true] {
        let bench = bench(|builder| builder.with_sampler(Panicking::at(Place::Drop)));
        make(&bench.spanwise, 10);
        let open = bench.spanwise.tracer("user code").start("outlives its provider");
        if exchanged {
            // The user's own call: the panic may be the caller's.
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
        settled(&spanwise.ledger());
    }
}

#[test]
fn a_handler_that_blocks_stops_no_export() {
    let (entered, blocked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
    let door = blocked.lock().unwrap();
    let (inside, shut) = (entered.clone(), blocked.clone());
    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let spanwise = Spanwise::builder()
        // A setting to complain about: `build` does not wait for the handler either.
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
    settled(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(collected.spans(), 200);
    assert_eq!(entered.load(SeqCst), 1, "it is called, and by one thread");
    drop(door);
}

/// What it captured may block in its drop: not the thread that replaces the provider.
#[test]
fn no_thread_waits_for_the_drop_of_a_handler() {
    struct Blocks(Arc<Mutex<()>>, Arc<AtomicUsize>);
    impl Drop for Blocks {
        fn drop(&mut self) {
            drop(self.0.lock());
            self.1.fetch_add(1, SeqCst);
            panic_any(Bomb);
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
            assert!(Instant::now() < patience, "the handler is dropped in the end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A sampler that replaces itself while it decides is its own last owner, and panics in its drop.
#[test]
fn a_sampler_exchanged_while_it_decides_costs_no_span() {
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
            panic_any(Bomb);
        }
    }
    let held = Arc::new(Mutex::new(None));
    let bench = bench(|builder| builder.with_sampler(Exchanging(held.clone())));
    *held.lock().unwrap() = Some(bench.spanwise.clone());
    make(&bench.spanwise, 10);
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    settled(&ledger);
    assert_eq!((ledger.created, ledger.exported), (10, 10));
}

#[test]
fn reports_that_waited_for_a_slow_handler_are_shown_in_the_end() {
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap();
    let (said, shut) = (Said::default(), door.clone());
    let lines = said.clone();
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
    settled(&built.shutdown_timeout(LONG).unwrap().ledger);
    let patience = Instant::now() + LONG;
    while !said.lines().iter().any(|line| line.contains("too_large 1")) {
        assert!(Instant::now() < patience, "{:?}", said.lines());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The call, the future and its drop; the future's output is the user's too.
#[test]
fn a_sink_that_panics_anywhere_costs_its_request() {
    struct Future(u8);
    impl std::future::Future for Future {
        type Output = Outcome;

        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Outcome> {
            match self.0 {
                1 => panic_any(Bomb),
                _ => std::task::Poll::Ready(Outcome::Accepted { rejected: 0, message: None }),
            }
        }
    }
    impl Drop for Future {
        fn drop(&mut self) {
            if self.0 == 2 && !std::thread::panicking() {
                panic_any(Bomb);
            }
        }
    }
    for place in 0..3 {
        let sink = move |_: Bytes| match place {
            0 => panic_any(Bomb),
            place => Future(place),
        };
        let spanwise = builder().with_sink(sink).build().unwrap();
        for round in 1..=3 {
            make(&spanwise, 10);
            spanwise.force_flush_timeout(LONG).unwrap();
            assert_eq!(spanwise.ledger().in_flight, 0, "{place} {round}");
        }
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        settled(&ledger);
        assert_eq!(ledger.dropped(DropReason::ExporterPanic) + ledger.exported, 30, "{place}");
    }
}

#[test]
fn a_sampler_and_a_handler_may_make_spans_of_their_own() {
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
    settled(&ledger);
    // Our threads suppress telemetry: no loop.
    assert_eq!(collected.spans(), ledger.created);
    assert!(ledger.created <= 31, "{ledger}");
}
