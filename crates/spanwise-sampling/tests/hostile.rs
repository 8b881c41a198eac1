//! Samplers that are not ours may panic where our threads call them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Condition, Intent, JaegerRemote, Offer, ParentBased, RuleBased, Sample, Sampler, Strategy, Tick,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use support::Virtual;

/// Counts its ticks, and panics in each if it is to, and in its drop.
#[derive(Debug)]
struct Ticked {
    panics: bool,
    ticks: Arc<AtomicUsize>,
}

impl Sample for Ticked {
    fn intent<'s>(&'s self, _: &Offer<'_>) -> Intent<'s> {
        Intent::DROP
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
    let rules = [true, false, true, false]
        .into_iter()
        .fold(RuleBased::new(), |rules, panics| rules.with_rule(Condition::any(), ticked(panics)));
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
    remote.apply(&Strategy::Probabilistic(1.0));
    assert_eq!(Arc::strong_count(&ticks), 1, "it is gone");
    let sampler = Sampler::from(remote);
    assert!(sampler.decide(&Offer::root(1, "x", &Virtual::new())).sampled);
}
