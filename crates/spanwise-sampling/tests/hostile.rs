//! Samplers, attributes and contexts that panic, return nonsense, or call the sampler that calls them.

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

/// A context with erratic times and random numbers, which panics on request.
#[derive(Default)]
struct Erratic {
    calls: AtomicU64,
    panics: AtomicBool,
}

impl Erratic {
    fn next(&self) -> u64 {
        if self.panics.load(SeqCst) {
            resume_unwind(Box::new(Grenade));
        }
        // Times go forwards, backwards and to both ends.
        let call = self.calls.fetch_add(1, SeqCst);
        [0, u64::MAX, 1 << 63, 7, u64::MAX - 1, 1_000_000_000][call as usize % 6]
    }
}

impl SamplerContext for Erratic {
    fn now(&self) -> u64 {
        self.next()
    }

    fn random(&self) -> u64 {
        self.next()
    }
}

/// A sampler whose methods panic while their flags are set.
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
    let context = Erratic::default();
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
                .should_sample(&SamplingParameters::root(1, "x", &context))
                .sampled));
            assert!(panics(
                || live.should_sample(&SamplingParameters::root(1, "x", &context), |it| it.sampled)
            ));
            assert!(panics(|| live.tick(&Tick::at(1))));
            inner.intent.store(false, SeqCst);
            inner.tick.store(false, SeqCst);
            assert!(live.should_sample(&SamplingParameters::root(1, "x", &context), |decision| {
                decision.sampled
            }));
            assert!(panics(|| live
                .should_sample(&SamplingParameters::root(1, "x", &context), |_| {
                    resume_unwind(Box::new(Grenade))
                })));
            live.tick(&Tick::at(u64::MAX));
        }
        // The sampler can still be replaced.
        live.set(Sampler::always_off());
        assert!(!live.should_sample(&SamplingParameters::root(1, "x", &context), |decision| {
            decision.sampled
        }));
    }
}

#[test]
fn samplers_decide_with_an_erratic_context() {
    let context = Erratic::default();
    for rate in [1.0, 1e9] {
        let limited = RateLimited::new(rate).unwrap();
        let sampler: Sampler = limited.clone().into();
        for id in 0..2_000u128 {
            let _any = sampler
                .should_sample(&SamplingParameters::root(id << 64 | id, "x", &context))
                .sampled;
            sampler.tick(&Tick::at(context.next()));
        }
        context.panics.store(true, SeqCst);
        for id in 0..100 {
            assert!(panics(|| sampler
                .should_sample(&SamplingParameters::root(id, "x", &context))
                .sampled));
        }
        context.panics.store(false, SeqCst);
        let _any = sampler.should_sample(&SamplingParameters::root(1, "x", &context)).sampled;
        // The context returned the end of time, after which no rate refills the bucket.
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

/// A sampler that evaluates, ticks and replaces the sampler that holds it.
#[derive(Debug, Default)]
struct Reentrant {
    owner: Arc<OnceLock<DynamicSampler>>,
    busy: AtomicBool,
}

impl Reentrant {
    fn call_owner(&self) {
        if let Some(owner) = self.owner.get()
            && !self.busy.swap(true, SeqCst)
        {
            let context = Erratic::default();
            let _any = owner
                .should_sample(&SamplingParameters::root(3, "inside", &context), |decision| {
                    decision.sampled
                });
            owner.tick(&Tick::at(3));
            let _any = matches!(owner.fast_decision(None), FastDecision::Evaluate);
            owner.set(Sampler::always_on());
            let _any = format!("{owner} {owner:?}");
            self.busy.store(false, SeqCst);
        }
    }
}

impl ComposableSampler for Reentrant {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        self.call_owner();
        SamplingIntent::keep(Threshold::KEEP_ALL)
    }

    fn tick(&self, _: &Tick) {
        self.call_owner();
    }

    fn description(&self) -> String {
        self.call_owner();
        String::new()
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.call_owner();
    }
}

#[test]
fn a_sampler_may_replace_itself_while_it_decides() {
    let owner = Arc::new(OnceLock::new());
    let reentrant = || Reentrant { owner: owner.clone(), busy: AtomicBool::new(false) };
    owner.set(DynamicSampler::new(reentrant())).unwrap();
    let (live, context) = (owner.get().unwrap(), Erratic::default());
    for _ in 0..20 {
        assert!(live.should_sample(&SamplingParameters::root(1, "x", &context), |decision| {
            decision.sampled
        }));
        live.set(reentrant());
        live.tick(&Tick::at(1));
        live.set(Sampler::from(reentrant()).parent_based());
        // Replaced during a decision.
        live.should_sample(&SamplingParameters::root(1, "x", &context), |_| live.set(reentrant()));
    }
    // A cycle of `Arc`s would never be dropped.
    live.set(Sampler::always_off());
}

/// An attribute with another value at each call, or none, or a panic.
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
fn a_rule_reads_an_attribute_once_per_decision() {
    let context = Virtual::new();
    for (pattern, matching) in [("\0\u{1b}]0;x", 1), ("NaN", 2)] {
        let rule = SpanPredicate::any().attribute("key", pattern);
        let sampler = Sampler::from(RuleBased::new().with_rule(rule, Sampler::always_on()));
        let fickle = Fickle(AtomicU64::new(0));
        let params = SamplingParameters {
            attributes: &fickle,
            ..SamplingParameters::root(1, "x", &context)
        };
        for time in 0..16 {
            let mut sampled = false;
            let panicked = panics(|| sampled = sampler.should_sample(&params).sampled);
            assert_eq!((sampled, panicked), (time % 4 == matching, time % 4 == 3), "{time}");
        }
        assert_eq!(fickle.0.load(SeqCst), 16, "each decision reads once");
    }
}

#[test]
fn a_description_is_one_line_of_bounded_length() {
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

/// A sampler that counts its ticks, and panics in each of them and in its destructor if `panics`.
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
fn a_panic_of_one_tick_does_not_prevent_the_others() {
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
fn a_strategy_replaces_an_initial_sampler_whose_destructor_panics() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let remote = JaegerRemote::new(Ticked { panics: true, ticks: ticks.clone() });
    remote.apply(&JaegerStrategy::Probabilistic(1.0));
    assert_eq!(Arc::strong_count(&ticks), 1, "the initial sampler is dropped");
    let sampler = Sampler::from(remote);
    assert!(sampler.should_sample(&SamplingParameters::root(1, "x", &Virtual::new())).sampled);
}
