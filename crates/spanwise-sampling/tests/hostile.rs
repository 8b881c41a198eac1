//! Samplers, attributes and hosts that panic, lie, or ask the sampler they are in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Attributes, ComposableSampler, DynamicSampler, FastDecision, JaegerRemote, JaegerStrategy,
    ParentBased, RateLimited, RuleBased, Sampler, SamplerContext, SamplingIntent,
    SamplingParameters, SpanPredicate, Threshold, Tick, Value,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use support::Virtual;

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

impl SamplerContext for Mad {
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

impl ComposableSampler for Panics {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if self.intent.load(SeqCst) {
            resume_unwind(Box::new(Grenade));
        }
        SamplingIntent::keep(Threshold::KEEP_ALL)
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
        let live = DynamicSampler::new(sampler.clone());
        for _ in 0..10 {
            inner.intent.store(true, SeqCst);
            inner.tick.store(true, SeqCst);
            assert!(panics(|| sampler
                .should_sample(&SamplingParameters::root(1, "x", &host))
                .sampled));
            assert!(panics(
                || live.should_sample(&SamplingParameters::root(1, "x", &host), |it| it.sampled)
            ));
            assert!(panics(|| live.tick(&Tick::at(1))));
            inner.intent.store(false, SeqCst);
            inner.tick.store(false, SeqCst);
            assert!(live.should_sample(&SamplingParameters::root(1, "x", &host), |decision| {
                decision.sampled
            }));
            assert!(panics(|| live
                .should_sample(&SamplingParameters::root(1, "x", &host), |_| {
                    resume_unwind(Box::new(Grenade))
                })));
            live.tick(&Tick::at(u64::MAX));
        }
        // It can still be exchanged.
        live.set(Sampler::always_off());
        assert!(
            !live.should_sample(&SamplingParameters::root(1, "x", &host), |decision| decision
                .sampled)
        );
    }
}

#[test]
fn time_and_chance_without_sense_are_decided_on() {
    let host = Mad::default();
    for rate in [1.0, 1e9] {
        let limited = RateLimited::new(rate).unwrap();
        let sampler: Sampler = limited.clone().into();
        for id in 0..2_000u128 {
            let _any =
                sampler.should_sample(&SamplingParameters::root(id << 64 | id, "x", &host)).sampled;
            sampler.tick(&Tick::at(host.next()));
        }
        host.panics.store(true, SeqCst);
        for id in 0..100 {
            assert!(panics(|| sampler
                .should_sample(&SamplingParameters::root(id, "x", &host))
                .sampled));
        }
        host.panics.store(false, SeqCst);
        let _any = sampler.should_sample(&SamplingParameters::root(1, "x", &host)).sampled;
        // The end of time was seen, and nothing is earned after it, at this rate or another.
        for rate in [rate, 1e-6, 500.0, rate] {
            limited.set_rate(rate).unwrap();
            for id in 0..10 {
                let _any = sampler
                    .should_sample(&SamplingParameters::root(id, "x", &Virtual::new()))
                    .sampled;
            }
            assert_eq!(limited.rate(), rate);
        }
    }
}

/// Asks, tells and replaces the sampler it is in.
#[derive(Debug, Default)]
struct Reentrant {
    home: Arc<OnceLock<DynamicSampler>>,
    busy: AtomicBool,
}

impl Reentrant {
    fn call_home(&self) {
        if let Some(home) = self.home.get()
            && !self.busy.swap(true, SeqCst)
        {
            let host = Mad::default();
            let _any = home
                .should_sample(&SamplingParameters::root(3, "inside", &host), |decision| {
                    decision.sampled
                });
            home.tick(&Tick::at(3));
            let _any = matches!(home.quick(None), FastDecision::Ask);
            home.set(Sampler::always_on());
            let _any = format!("{home} {home:?}");
            self.busy.store(false, SeqCst);
        }
    }
}

impl ComposableSampler for Reentrant {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        self.call_home();
        SamplingIntent::keep(Threshold::KEEP_ALL)
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
    home.set(DynamicSampler::new(reentrant())).unwrap();
    let (live, host) = (home.get().unwrap(), Mad::default());
    for _ in 0..20 {
        assert!(
            live.should_sample(&SamplingParameters::root(1, "x", &host), |decision| decision
                .sampled)
        );
        live.set(reentrant());
        live.tick(&Tick::at(1));
        live.set(Sampler::from(reentrant()).parent_based());
        // Replaced while it is looked at.
        live.should_sample(&SamplingParameters::root(1, "x", &host), |_| live.set(reentrant()));
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
fn a_rule_goes_by_what_an_attribute_is_when_it_is_asked() {
    let host = Virtual::new();
    for (pattern, matching) in [("\0\u{1b}]0;x", 1), ("NaN", 2)] {
        let rule = SpanPredicate::any().attribute("key", pattern);
        let sampler = Sampler::from(RuleBased::new().with_rule(rule, Sampler::always_on()));
        let fickle = Fickle(AtomicU64::new(0));
        let params =
            SamplingParameters { attributes: &fickle, ..SamplingParameters::root(1, "x", &host) };
        for time in 0..16 {
            let mut sampled = false;
            let panicked = panics(|| sampled = sampler.should_sample(&params).sampled);
            assert_eq!((sampled, panicked), (time % 4 == matching, time % 4 == 3), "{time}");
        }
        assert_eq!(fickle.0.load(SeqCst), 16, "each decision asks once");
    }
}

#[test]
fn a_description_is_shown_on_one_line_and_cut() {
    let hostile = Sampler::from(Panics::default());
    let live = DynamicSampler::new(hostile.clone());
    let of_samplers = RuleBased::new().with_rule(SpanPredicate::any(), hostile.clone());
    for shown in [hostile.to_string(), live.to_string(), Sampler::from(of_samplers).to_string()] {
        assert!(shown.len() <= 256 && !shown.contains(char::is_control), "{shown:?}");
        assert!(shown.contains("\\u{0}\\u{1b}[2J ") && shown.ends_with('…'), "{shown}");
    }
    let parents = hostile.parent_based().to_string();
    assert!(parents.starts_with("ParentBased{root=") && !parents.contains(char::is_control));
}

/// Counts its ticks, and panics in each if it is to, and in its drop.
#[derive(Debug)]
struct Ticked {
    panics: bool,
    ticks: Arc<AtomicUsize>,
}

impl ComposableSampler for Ticked {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent::DROP
    }

    fn tick(&self, _: &Tick) {
        self.ticks.fetch_add(1, SeqCst);
        if self.panics {
            // A payload that panics when it is dropped.
            resume_unwind(Box::new(Ticked { panics: true, ticks: self.ticks.clone() }));
        }
    }

    fn description(&self) -> String {
        "Ticked".to_owned()
    }
}

impl Drop for Ticked {
    fn drop(&mut self) {
        if self.panics {
            resume_unwind(Box::new("dropped"));
        }
    }
}

#[test]
fn a_tick_that_panics_keeps_none_from_the_others() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let ticked = |panics| Sampler::from(Ticked { panics, ticks: ticks.clone() });
    let rules = [true, false, true, false].into_iter().fold(RuleBased::new(), |rules, panics| {
        rules.with_rule(SpanPredicate::any(), ticked(panics))
    });
    let parent = ParentBased::new(ticked(true)).with_remote_sampled(ticked(false));
    for (sampler, expected) in [(Sampler::from(rules), 4), (Sampler::from(parent), 2)] {
        ticks.store(0, SeqCst);
        let ticking = catch_unwind(AssertUnwindSafe(|| sampler.tick(&Tick::at(1))));
        std::mem::forget(ticking.unwrap_err());
        assert_eq!(ticks.load(SeqCst), expected);
        std::mem::forget(sampler);
    }
}

#[test]
fn a_strategy_replaces_an_initial_sampler_that_panics_when_it_goes() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let remote = JaegerRemote::new(Ticked { panics: true, ticks: ticks.clone() });
    remote.apply(&JaegerStrategy::Probabilistic(1.0));
    assert_eq!(Arc::strong_count(&ticks), 1, "it is gone");
    let sampler = Sampler::from(remote);
    assert!(sampler.should_sample(&SamplingParameters::root(1, "x", &Virtual::new())).sampled);
}
