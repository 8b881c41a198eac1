//! Reloads while other threads make spans, flush, shut down or reload, and from code that the provider calls.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Threshold, Tick,
};
use spanwise_sdk::{ReloadError, SpanKind, Spanwise, SpanwiseBuilder};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use support::{Bench, LONG, assert_idle, bench, builder, wait_until_idle};

fn finish(spanwise: &Spanwise, count: u64) -> Vec<[u8; 8]> {
    let tracer = spanwise.tracer("reload");
    let spans = (0..count).map(|number| {
        let mut span = tracer.root("span", SpanKind::Internal);
        span.attribute("number", number as i64);
        let id = span.context().span_id().to_bytes();
        span.finish();
        id
    });
    spans.collect()
}

fn wait(what: &str, is_done: impl Fn() -> bool) {
    let patience = Instant::now() + LONG;
    while !is_done() {
        assert!(Instant::now() < patience, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often each span id arrived at all receivers.
fn arrivals<'a>(all: impl IntoIterator<Item = &'a Collected>) -> HashMap<[u8; 8], u64> {
    let mut arrivals = HashMap::new();
    for (_, id) in all.into_iter().flat_map(Collected::span_ids) {
        *arrivals.entry(id).or_default() += 1;
    }
    arrivals
}

#[test]
fn a_thousand_reloads_under_load_deliver_each_span_once() {
    let receivers: Vec<_> = (0..3).map(|_| Receiver::collecting().unwrap()).collect();
    let configure = |number: usize, builder: SpanwiseBuilder| {
        let (receiver, _) = &receivers[number % receivers.len()];
        builder
            .with_endpoint(receiver.http_endpoint())
            .with_scheduled_delay(Duration::from_millis(1 + number as u64 % 5))
            .with_max_in_flight(1 + number % 4)
            .with_sampler(Sampler::always_on())
    };
    let spanwise = configure(0, builder()).build().unwrap();
    let is_over = AtomicBool::new(false);
    let ids = thread::scope(|scope| {
        let (spanwise, is_over) = (&spanwise, &is_over);
        let producers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    let mut ids = Vec::new();
                    while !is_over.load(SeqCst) {
                        ids.extend(finish(spanwise, 20));
                        thread::sleep(Duration::from_millis(1));
                    }
                    ids
                })
            })
            .collect();
        for number in 1..=1_000 {
            let reloaded = spanwise.reload(configure(number, builder())).unwrap();
            assert!(!reloaded.is_unchanged());
            if number % 100 == 0 {
                spanwise.force_flush_timeout(LONG).unwrap();
            }
        }
        is_over.store(true, SeqCst);
        producers.into_iter().flat_map(|it| it.join().unwrap()).collect::<Vec<_>>()
    });
    spanwise.shutdown_timeout(LONG).unwrap();
    let ledger = spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (ids.len() as u64, ids.len() as u64));
    let arrivals = arrivals(receivers.iter().map(|(_, collected)| collected));
    assert_eq!(arrivals.len(), ids.len());
    assert!(ids.iter().all(|id| arrivals[id] == 1));
    assert!(receivers.iter().filter(|(_, collected)| collected.spans() > 0).count() > 1);
}

#[test]
fn of_two_threads_each_reload_applies_or_is_refused() {
    let Bench { spanwise, collected, receiver } = bench(|builder| builder);
    let [applied, refused] = [AtomicU64::new(0), AtomicU64::new(0)];
    let ours = |number: usize| {
        builder().with_endpoint(receiver.http_endpoint()).with_max_in_flight(1 + number % 60)
    };
    let ids = thread::scope(|scope| {
        for thread in 0..3 {
            let (spanwise, applied, refused, ours) = (&spanwise, &applied, &refused, &ours);
            scope.spawn(move || {
                for number in 0..200 {
                    match spanwise.reload(ours(number * 3 + thread)) {
                        Ok(_) => applied.fetch_add(1, SeqCst),
                        Err(ReloadError::InProgress) => refused.fetch_add(1, SeqCst),
                        Err(other) => panic!("{other}"),
                    };
                }
            });
        }
        finish(&spanwise, 1_000)
    });
    assert_eq!(applied.load(SeqCst) + refused.load(SeqCst), 600);
    assert!(applied.load(SeqCst) > 0);
    let last = builder().with_endpoint(receiver.http_endpoint()).with_max_in_flight(61);
    spanwise.reload(last).unwrap();
    assert_eq!(spanwise.batching().load().max_in_flight, 61);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_idle(&spanwise.ledger());
    assert_eq!(arrivals([&collected]).len(), ids.len());
}

#[test]
fn reloads_during_flushes_and_a_shutdown_leave_an_exact_ledger() {
    for round in 0..20 {
        let receivers: Vec<_> = (0..2).map(|_| Receiver::collecting().unwrap()).collect();
        let ours = |number: usize| {
            builder()
                .with_endpoint(receivers[number % 2].0.http_endpoint())
                .with_sampling_ratio(1.0 / (1 + number % 2) as f64)
        };
        let spanwise = ours(0).build().unwrap();
        thread::scope(|scope| {
            let reloads = scope.spawn(|| {
                for number in 1.. {
                    match spanwise.reload(ours(number)) {
                        Ok(_) => {}
                        Err(ReloadError::NotRunning { .. }) => return,
                        Err(other) => panic!("{other}"),
                    }
                }
            });
            scope.spawn(|| while spanwise.force_flush_timeout(LONG).is_ok() {});
            finish(&spanwise, 200 + round);
            spanwise.shutdown_timeout(LONG).unwrap();
            finish(&spanwise, 10);
            reloads.join().unwrap();
        });
        let ledger = wait_until_idle(&spanwise);
        assert_idle(&ledger);
        let arrivals = arrivals(receivers.iter().map(|(_, collected)| collected));
        assert_eq!(arrivals.len() as u64, ledger.exported);
        assert!(arrivals.values().all(|count| *count == 1));
    }
}

/// Reloads its provider whenever it is called.
#[derive(Clone, Default)]
struct Reentrant {
    spanwise: Arc<OnceLock<Spanwise>>,
    results: Arc<Mutex<Vec<Result<(), String>>>>,
}

impl Reentrant {
    fn reload(&self) {
        if let Some(spanwise) = self.spanwise.get() {
            let next = builder().with_sink(accept).with_max_in_flight(5);
            let result = spanwise.reload(next.with_sampler(Sampler::always_on()));
            self.results
                .lock()
                .unwrap()
                .push(result.map(|_| ()).map_err(|error| error.to_string()));
        }
    }

    fn is_called(&self) -> bool {
        !self.results.lock().unwrap().is_empty()
    }

    fn has_reloaded(&self) -> bool {
        self.results.lock().unwrap().contains(&Ok(()))
    }

    /// Checks that a reload has taken place, and that the provider goes on.
    fn check(&self) {
        wait("a reload", || self.has_reloaded());
        let spanwise = self.spanwise.get().unwrap();
        let exported = spanwise.ledger().exported;
        finish(spanwise, 10);
        spanwise.force_flush_timeout(LONG).unwrap();
        assert!(spanwise.ledger().exported >= exported + 10);
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_idle(&spanwise.ledger());
        let results = self.results.lock().unwrap();
        let is_expected = |it: &Result<(), String>| match it {
            Ok(()) => true,
            Err(error) => error.contains("another reload is in progress"),
        };
        assert!(results.iter().all(is_expected) && results.contains(&Ok(())), "{results:?}");
    }
}

impl std::fmt::Debug for Reentrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reentrant")
    }
}

async fn accept(_: spanwise_sdk::Bytes) -> spanwise_sdk::Outcome {
    spanwise_sdk::Outcome::Accepted { rejected: 0, message: None }
}

#[test]
fn a_reload_may_come_from_a_sampler() {
    /// Reloads from its decision, or from its tick on the exporter's thread.
    #[derive(Debug)]
    struct Reloads(Reentrant, bool);
    impl ComposableSampler for Reloads {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            if !self.1 {
                self.0.reload();
            }
            SamplingIntent::keep(Threshold::KEEP_ALL)
        }

        fn tick(&self, _: &Tick) {
            if self.1 {
                self.0.reload();
            }
        }

        fn description(&self) -> String {
            // A reload asks for it.
            self.0.reload();
            "Reloads".to_owned()
        }
    }
    for is_tick in [false, true] {
        let reentrant = Reentrant::default();
        let sampler = Reloads(reentrant.clone(), is_tick);
        let spanwise = builder().with_sink(accept).with_sampler(sampler).build().unwrap();
        reentrant.spanwise.set(spanwise.clone()).unwrap();
        finish(&spanwise, 1);
        reentrant.check();
    }
}

#[test]
fn a_reload_may_come_from_the_drop_of_a_sampler() {
    #[derive(Debug)]
    struct Reloads(Reentrant);
    impl Drop for Reloads {
        fn drop(&mut self) {
            self.0.reload();
        }
    }
    impl ComposableSampler for Reloads {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            SamplingIntent::DROP
        }

        fn description(&self) -> String {
            "Reloads".to_owned()
        }
    }
    let reentrant = Reentrant::default();
    let spanwise = builder().with_sink(accept).with_sampler(Reloads(reentrant.clone()));
    let spanwise = spanwise.build().unwrap();
    reentrant.spanwise.set(spanwise.clone()).unwrap();
    // The old sampler is dropped within this reload, which refuses another one.
    reentrant.reload();
    reentrant.check();
}

#[test]
fn a_reload_may_come_from_the_diagnostics_handler_and_from_a_sink() {
    let reentrant = Reentrant::default();
    let handler = reentrant.clone();
    let spanwise = builder()
        .with_sink(accept)
        .with_environment(|_| None)
        .with_diagnostics(move |_| handler.reload())
        .build()
        .unwrap();
    reentrant.spanwise.set(spanwise.clone()).unwrap();
    // The handler is called for a setting without effect.
    wait("a reload by the handler", || {
        // The first calls may come while this reload is in progress; the next reload is later than those that come after it.
        let odd = builder().with_sink(accept).with_protocol(spanwise_sdk::Protocol::Grpc);
        let _reported = spanwise.reload(odd);
        let until = Instant::now() + Duration::from_millis(200);
        while !reentrant.has_reloaded() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        reentrant.has_reloaded()
    });
    reentrant.check();

    let reentrant = Reentrant::default();
    let sink = reentrant.clone();
    let spanwise = builder()
        .with_sink(move |request| {
            sink.reload();
            accept(request)
        })
        .build()
        .unwrap();
    reentrant.spanwise.set(spanwise.clone()).unwrap();
    finish(&spanwise, 1);
    spanwise.force_flush_timeout(LONG).unwrap();
    reentrant.check();
}

#[test]
fn a_reload_may_come_from_the_environment_that_it_reads() {
    let reentrant = Reentrant::default();
    let spanwise = builder().with_sink(accept).build().unwrap();
    reentrant.spanwise.set(spanwise.clone()).unwrap();
    let lookup = reentrant.clone();
    let next = builder().with_environment(move |_| {
        lookup.reload();
        None
    });
    spanwise.reload(next.with_sink(accept).with_max_in_flight(9)).unwrap();
    assert_eq!(spanwise.batching().load().max_in_flight, 9);
    assert!(reentrant.is_called());
    assert!(reentrant.results.lock().unwrap().iter().all(Result::is_err));
    reentrant.reload();
    reentrant.check();
}

#[cfg(unix)]
#[test]
fn a_forked_child_is_refused_and_its_parent_goes_on() {
    let Bench { spanwise, collected, receiver } = bench(|builder| builder);
    finish(&spanwise, 1);
    let ours = || builder().with_endpoint(receiver.http_endpoint()).with_max_in_flight(3);
    // Another thread may hold every lock of a reload at the fork.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(SeqCst) {
                let _reloaded = spanwise.reload(ours());
            }
        });
        for _ in 0..10 {
            let written = spanwise_testkit::in_forked_child(|out| {
                let error = spanwise.reload(builder()).unwrap_err();
                out.write_all(error.to_string().as_bytes()).unwrap();
            });
            let written = String::from_utf8(written).unwrap();
            assert!(written.contains("this is a forked child"), "{written}");
        }
        is_over.store(true, SeqCst);
    });
    spanwise.reload(ours()).unwrap();
    finish(&spanwise, 1);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((spanwise.ledger().exported, collected.spans()), (2, 2));
}
