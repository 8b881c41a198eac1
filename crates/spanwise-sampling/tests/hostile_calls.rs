//! Samplers, attributes and hosts that panic, lie, or ask the sampler they are in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use spanwise_sampling::{
    Attributes, Host, Intent, Live, Offer, ParentBased, Quick, RateLimited, Sample, Sampler,
    Threshold, Tick, Value,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;

/// A payload that panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new("the payload was dropped"));
        }
    }
}

fn panics<R>(act: impl FnOnce() -> R) -> bool {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(_) => false,
        Err(payload) => {
            std::mem::forget(payload);
            true
        }
    }
}

/// Time and chance without sense, and a panic if asked for.
#[derive(Default)]
struct Mad {
    calls: AtomicU64,
    panics: AtomicBool,
}

impl Mad {
    fn next(&self) -> u64 {
        if self.panics.load(SeqCst) {
            resume_unwind(Box::new(Grenade));
        }
        // Forwards, backwards, to both ends.
        let call = self.calls.fetch_add(1, SeqCst);
        [0, u64::MAX, 1 << 63, 7, u64::MAX - 1, 1_000_000_000][call as usize % 6]
    }
}

impl Host for Mad {
    fn now(&self) -> u64 {
        self.next()
    }

    fn random(&self) -> u64 {
        self.next()
    }
}

/// Panics in one method while it is told to.
#[derive(Debug, Clone, Default)]
struct Panics {
    intent: Arc<AtomicBool>,
    tick: Arc<AtomicBool>,
}

impl Sample for Panics {
    fn intent<'s>(&'s self, _: &Offer<'_>) -> Intent<'s> {
        if self.intent.load(SeqCst) {
            resume_unwind(Box::new(Grenade));
        }
        Intent::keep(Threshold::KEEP_ALL)
    }

    fn tick(&self, _: &Tick) {
        if self.tick.load(SeqCst) {
            resume_unwind(Box::new(Grenade));
        }
    }

    fn description(&self) -> String {
        "\0\u{1b}[2J\n".repeat(100)
    }
}

#[test]
fn a_sampler_that_panicked_decides_again_afterwards() {
    let inner = Panics::default();
    let host = Mad::default();
    let samplers: Vec<Sampler> = vec![
        inner.clone().into(),
        Sampler::from(inner.clone()).parent_based(),
        ParentBased::new(Sampler::from(inner.clone())).into(),
    ];
    for sampler in samplers {
        let live = Live::new(sampler.clone());
        for _ in 0..10 {
            inner.intent.store(true, SeqCst);
            inner.tick.store(true, SeqCst);
            assert!(panics(|| sampler.decide(&Offer::root(1, "x", &host)).sampled));
            assert!(panics(|| live.decide(&Offer::root(1, "x", &host), |it| it.sampled)));
            assert!(panics(|| live.tick(&Tick::at(1))));
            inner.intent.store(false, SeqCst);
            inner.tick.store(false, SeqCst);
            assert!(live.decide(&Offer::root(1, "x", &host), |decision| decision.sampled));
            assert!(panics(|| live
                .decide(&Offer::root(1, "x", &host), |_| { resume_unwind(Box::new(Grenade)) })));
            live.tick(&Tick::at(u64::MAX));
        }
        // It can still be exchanged.
        live.set(Sampler::always_off());
        assert!(!live.decide(&Offer::root(1, "x", &host), |decision| decision.sampled));
    }
}

#[test]
fn time_and_chance_without_sense_are_decided_on() {
    let host = Mad::default();
    for rate in [1.0, 1e9] {
        let sampler: Sampler = RateLimited::new(rate).unwrap().into();
        for id in 0..2_000u128 {
            let _any = sampler.decide(&Offer::root(id << 64 | id, "x", &host)).sampled;
            sampler.tick(&Tick::at(host.next()));
        }
        host.panics.store(true, SeqCst);
        for id in 0..100 {
            let _any = panics(|| sampler.decide(&Offer::root(id, "x", &host)).sampled);
        }
        host.panics.store(false, SeqCst);
        let _any = sampler.decide(&Offer::root(1, "x", &host)).sampled;
    }
}

/// Asks, tells and replaces the sampler it is in.
#[derive(Debug, Default)]
struct Reentrant {
    home: Arc<OnceLock<Live>>,
    busy: AtomicBool,
}

impl Reentrant {
    fn call_home(&self) {
        if let Some(home) = self.home.get()
            && !self.busy.swap(true, SeqCst)
        {
            let host = Mad::default();
            let _any = home.decide(&Offer::root(3, "inside", &host), |decision| decision.sampled);
            home.tick(&Tick::at(3));
            let _any = matches!(home.quick(None), Quick::Ask);
            home.set(Sampler::always_on());
            let _any = format!("{home} {home:?}");
            self.busy.store(false, SeqCst);
        }
    }
}

impl Sample for Reentrant {
    fn intent<'s>(&'s self, _: &Offer<'_>) -> Intent<'s> {
        self.call_home();
        Intent::keep(Threshold::KEEP_ALL)
    }

    fn tick(&self, _: &Tick) {
        self.call_home();
    }

    fn description(&self) -> String {
        self.call_home();
        String::new()
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.call_home();
    }
}

#[test]
fn a_sampler_may_replace_itself_while_it_decides() {
    let home = Arc::new(OnceLock::new());
    let reentrant = || Reentrant { home: home.clone(), busy: AtomicBool::new(false) };
    home.set(Live::new(reentrant())).unwrap();
    let (live, host) = (home.get().unwrap(), Mad::default());
    for _ in 0..20 {
        assert!(live.decide(&Offer::root(1, "x", &host), |decision| decision.sampled));
        live.set(reentrant());
        live.tick(&Tick::at(1));
        live.set(Sampler::from(reentrant()).parent_based());
        // Replaced while it is looked at.
        live.decide(&Offer::root(1, "x", &host), |_| live.set(reentrant()));
    }
    // A circle of `Arc`s would never be dropped.
    live.set(Sampler::always_off());
}

/// Another value each time, or none, or a panic.
struct Fickle(AtomicU64);

impl Attributes for Fickle {
    fn get(&self, _: &str) -> Option<Value<'_>> {
        match self.0.fetch_add(1, SeqCst) % 4 {
            0 => None,
            1 => Some(Value::Str("\0\u{1b}]0;x")),
            2 => Some(Value::F64(f64::NAN)),
            _ => resume_unwind(Box::new(Grenade)),
        }
    }
}

#[test]
fn attributes_that_change_are_looked_at() {
    let fickle = Fickle(AtomicU64::new(0));
    for _ in 0..16 {
        let _any = panics(|| fickle.get("key").is_some());
    }
    // Through an offer, by whatever sampler asks.
    let host = Mad::default();
    let offer = Offer { attributes: &fickle, ..Offer::root(1, "x", &host) };
    for sampler in [Sampler::default(), Sampler::probability(0.5).unwrap()] {
        for _ in 0..16 {
            let _any = panics(|| sampler.decide(&offer).sampled);
        }
    }
}
