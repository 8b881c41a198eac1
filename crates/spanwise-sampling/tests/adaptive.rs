//! What the adaptive sampler does with loads of all shapes, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey, Sampler, SamplingParameters,
    Threshold, Tick, max_min_shares,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series, Shape};
use std::collections::HashMap;
use support::{Virtual, drive};

const TARGET: f64 = 1000.0;

fn run(
    shape: Shape,
    seconds: f64,
    configure: impl Fn(AdaptiveBuilder) -> AdaptiveBuilder,
) -> Series {
    let builder = Adaptive::builder().with_traces_per_second(TARGET);
    let sampler = Sampler::from(configure(builder).build().unwrap());
    drive(&sampler, &Virtual::new(), Arrivals::new(shape, seconds, 42), || "GET /")
}

#[track_caller]
fn near(what: &str, rate: f64, low: f64, high: f64) {
    let share = rate / TARGET;
    assert!((low..=high).contains(&share), "{what}: {share:.3} of the target, not {low} to {high}");
}

#[test]
fn a_step_up_is_caught_within_its_second() {
    for at in [5.0, 5.5] {
        let step = Shape::Step { from: 1e3, to: 1e5, at };
        for (governor, excess, most) in [(false, 5.0, 5.0), (true, 1.5, 2.2)] {
            let series = run(step, 20.0, |builder| builder.with_governor(governor));
            near("settled", series.rate(7.0, 17.0), 0.9, 1.1);
            let over = series.excess(TARGET, 5, 20) / TARGET;
            assert!(over <= excess, "step at {at}, governor {governor}: excess {over:.2} T");
            near("worst second", series.max_per_second(), 0.0, most);
        }
    }
}

#[test]
fn a_step_down_is_believed_after_two_periods() {
    let series = run(Shape::Step { from: 1e5, to: 2e3, at: 5.0 }, 18.0, |builder| builder);
    near("third second and on", series.rate(8.0, 18.0), 0.9, 1.1);
}

#[test]
fn a_ramp_is_followed() {
    let ramp = Shape::Ramp { from: 1e3, to: 1e5, over: 60.0 };
    let series = run(ramp, 60.0, |builder| builder.with_trend(true));
    near("first five seconds", series.rate(0.0, 5.0), 0.95, 1.4);
    for at in (5..60).step_by(5) {
        let at = f64::from(at);
        near(&format!("five seconds from {at}"), series.rate(at, at + 5.0), 0.9, 1.15);
    }
}

#[test]
fn a_swing_is_followed() {
    let sine = Shape::Sine { mean: 2e4, swing: 1.5e4, period: 60.0 };
    for (trend, low, high) in [(false, 0.75, 1.2), (true, 0.85, 1.1)] {
        let series = run(sine, 65.0, |builder| builder.with_trend(trend));
        for at in (5..55).step_by(10) {
            let at = f64::from(at);
            near(&format!("trend {trend}, from {at}"), series.rate(at, at + 10.0), low, high);
        }
    }
}

#[test]
fn silence_opens_nothing() {
    let series = run(Shape::OnOff { rate: 5e4, each: 5.0 }, 60.0, |builder| builder);
    for second in 5..60 {
        let at = f64::from(second);
        near(&format!("second {second}"), series.rate(at, at + 1.0), 0.0, 1.15);
    }
    near("seconds on", series.rate(20.0, 25.0), 0.85, 1.15);
}

#[test]
fn after_an_hour_of_silence_the_governor_holds() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive), Virtual::new());
    drive(&sampler, &host, Arrivals::new(Shape::Steady(1e5), 5.0, 1), || "GET /");
    let burst = Arrivals::new(Shape::Steady(1e5), 5.0, 2);
    let series = Series::record(burst, |arrival| {
        host.set_seconds(3605.0 + arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host)).sampled
    });
    near("worst second", series.max_per_second(), 0.0, 2.2);
    near("after it", series.rate(2.0, 5.0), 0.9, 1.1);
}

#[test]
fn below_the_target_all_is_kept_and_said_so() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    for arrival in Arrivals::new(Shape::Steady(800.0), 30.0, 3) {
        host.set_seconds(arrival.time);
        let decision =
            sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host));
        assert!(decision.sampled);
        assert_eq!(decision.th, spanwise_sampling::TraceStateUpdate::Write(Threshold::KEEP_ALL));
    }
    assert_eq!(adaptive.state().governed, 0);
}

/// Kept roots per second by name, from second 10 on.
fn kept_by_name(names: &[String], weights: &[f64], seconds: f64) -> HashMap<String, f64> {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive), Virtual::new());
    let total: f64 = weights.iter().sum();
    let mut dice = SplitMix64::new(5);
    let mut kept = HashMap::new();
    for arrival in Arrivals::new(Shape::Steady(total), seconds, 4) {
        let mut at = dice.next_f64() * total;
        let index = weights.iter().position(|weight| {
            at -= weight;
            at <= 0.0
        });
        let name = &names[index.unwrap_or(0)];
        host.set_seconds(arrival.time);
        let sampled =
            sampler.should_sample(&SamplingParameters::root(arrival.trace_id, name, &host)).sampled;
        if sampled && arrival.time >= 10.0 {
            *kept.entry(name.clone()).or_default() += 1.0 / (seconds - 10.0);
        }
    }
    kept
}

#[test]
fn a_hot_key_takes_nothing_from_the_cold() {
    let names: Vec<String> = (0..100).map(|key| format!("GET /{key}")).collect();
    let weights: Vec<f64> = (0..100).map(|key| if key == 0 { 1e5 } else { 5.0 }).collect();
    let kept = kept_by_name(&names, &weights, 30.0);
    near("hot", kept["GET /0"] / 0.505, 0.9, 1.1);
    let cold: f64 = names[1..].iter().map(|name| kept[name]).sum();
    near("cold", cold / 0.495, 0.97, 1.03);
}

#[test]
fn equal_keys_get_equal_shares() {
    let names: Vec<String> = (0..100).map(|key| format!("GET /{key}")).collect();
    let kept = kept_by_name(&names, &[500.0; 100], 70.0);
    for name in &names {
        near(name, kept[name] * 100.0, 0.8, 1.2);
    }
}

#[test]
fn keys_without_end_are_one() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut fresh = 0u64;
    let series = Series::record(Arrivals::new(Shape::Steady(2e4), 30.0, 6), |arrival| {
        // Every second root has a name of its own.
        fresh += 1;
        let name = if fresh.is_multiple_of(2) { "GET /".into() } else { format!("GET /{fresh}") };
        host.set_seconds(arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, &name, &host)).sampled
    });
    assert!(adaptive.state().keys <= 256);
    near("all", series.rate(5.0, 30.0), 0.9, 1.1);
}

#[test]
fn a_key_that_becomes_frequent_gets_a_slot() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut count = 0u64;
    let mut late = 0u32;
    for arrival in Arrivals::new(Shape::Steady(2e4), 60.0, 7) {
        count += 1;
        // Names without end, and from second 20 on one that comes 1,000 times a second.
        let name = match count % 20 {
            0 if arrival.time > 20.0 => "late".into(),
            _ => format!("GET /{count}"),
        };
        host.set_seconds(arrival.time);
        let sampled = sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, &name, &host))
            .sampled;
        late += u32::from(sampled && name == "late" && arrival.time > 40.0);
    }
    // Half of the target for 20 seconds; with all others it would be a twentieth.
    assert!((8_000..12_000).contains(&late), "{late}");
}

#[test]
fn eight_processes_with_an_allocator_keep_to_one_target() {
    // One is busy, and seven offer less than an eighth of the target.
    let load: Vec<f64> = (0..8).map(|process| if process == 0 { 8e3 } else { 100.0 }).collect();
    for allocated in [false, true] {
        let adaptive = || Adaptive::builder().with_traces_per_second(TARGET / 8.0);
        let processes: Vec<Adaptive> = load.iter().map(|_| adaptive().build().unwrap()).collect();
        let samplers: Vec<Sampler> = processes.iter().cloned().map(Sampler::from).collect();
        let host = Virtual::new();
        let total: f64 = load.iter().sum();
        let mut dice = SplitMix64::new(8);
        let mut next = 1.0;
        let series = Series::record(Arrivals::new(Shape::Steady(total), 30.0, 9), |arrival| {
            if allocated && arrival.time > next {
                next += 1.0;
                let offered: Vec<f64> = processes.iter().map(|p| p.state().offered).collect();
                let targets = max_min_shares(&offered, TARGET);
                for (process, target) in processes.iter().zip(targets) {
                    process.set_target(target.max(1.0)).unwrap();
                }
            }
            let mut at = dice.next_f64() * total;
            let index = load.iter().position(|rate| {
                at -= rate;
                at <= 0.0
            });
            host.set_seconds(arrival.time);
            let params = SamplingParameters::root(arrival.trace_id, "GET /", &host);
            samplers[index.unwrap_or(0)].should_sample(&params).sampled
        });
        let rate = series.rate(10.0, 30.0);
        if allocated {
            near("allocated", rate, 0.9, 1.1);
        } else {
            near("an eighth each", rate, 0.8, 0.86);
        }
    }
}

#[test]
fn a_clock_that_is_set_does_no_harm() {
    for jump in [3600.0, -3600.0] {
        let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
        let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
        let series = Series::record(Arrivals::new(Shape::Steady(2e4), 30.0, 10), |arrival| {
            host.set_seconds(arrival.time + if arrival.time > 10.0 { jump } else { 0.0 });
            sampler
                .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host))
                .sampled
        });
        let state = adaptive.state();
        assert!(state.offered.is_finite() && (0.0..=1.0).contains(&state.probability), "{state:?}");
        near(&format!("after {jump}"), series.rate(13.0, 30.0), 0.9, 1.1);
        near("worst second", series.max_per_second(), 0.0, 2.2);
    }
}

#[test]
fn the_documents_law_ratchets_to_its_floor() {
    let step = Shape::Step { from: 1e3, to: 1e4, at: 100.0 };
    let law = |builder: AdaptiveBuilder| builder.with_algorithm(AdaptiveAlgorithm::Document);
    let series = run(step, 400.0, law);
    // All of the first window at the new rate, then a tenth less with every window.
    near("first window", series.rate(101.0, 109.0), 9.0, 11.0);
    near("at the end", series.rate(390.0, 400.0), 0.0, 0.02);
}

#[test]
fn the_target_can_be_changed_at_any_time() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut changed = false;
    let series = Series::record(Arrivals::new(Shape::Steady(2e4), 20.0, 11), |arrival| {
        if arrival.time > 10.0 && !std::mem::replace(&mut changed, true) {
            adaptive.set_target(TARGET / 5.0).unwrap();
        }
        host.set_seconds(arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host)).sampled
    });
    near("before", series.rate(2.0, 10.0), 0.9, 1.1);
    near("after", series.rate(10.1, 20.0), 0.18, 0.22);
}

#[test]
fn a_target_in_spans_follows_the_size_of_traces() {
    let adaptive = Adaptive::builder().with_spans_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive), Virtual::new());
    let (mut recorded, mut next) = (0, 0.1);
    let series = Series::record(Arrivals::new(Shape::Steady(1e4), 40.0, 12), |arrival| {
        host.set_seconds(arrival.time);
        if arrival.time > next {
            next += 0.1;
            let now = spanwise_sampling::SamplerContext::now(&host);
            sampler.tick(&Tick::at(now).with_recorded(recorded));
        }
        let sampled = sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host))
            .sampled;
        // Traces have five spans, and eight later on.
        recorded += if arrival.time < 20.0 { 5 } else { 8 } * u64::from(sampled);
        sampled
    });
    near("five spans", 5.0 * series.rate(10.0, 20.0), 0.9, 1.1);
    near("eight spans", 8.0 * series.rate(30.0, 40.0), 0.9, 1.1);
}

#[test]
fn a_drop_in_load_is_noticed_with_ticks_alone() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    drive(&sampler, &host, Arrivals::new(Shape::Steady(1e5), 5.0, 13), || "GET /");
    assert!(adaptive.state().offered > 9e4);
    for tenth in 50..250 {
        host.set_seconds(f64::from(tenth) / 10.0);
        sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&host)));
    }
    assert!(adaptive.state().offered < 1.0);
}

#[test]
fn counts_add_up() {
    // Adjusted counts of what is kept estimate what was offered, whatever the threshold did.
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).with_key(AdaptiveKey::None);
    let (sampler, host) = (Sampler::from(adaptive.build().unwrap()), Virtual::new());
    let sine = Shape::Sine { mean: 2e4, swing: 1.5e4, period: 60.0 };
    let (mut offered, mut estimated) = (0.0, 0.0);
    for arrival in Arrivals::new(sine, 60.0, 14) {
        host.set_seconds(arrival.time);
        let decision =
            sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &host));
        // The first second is the governor's, whose survivors count for nothing.
        if arrival.time < 3.0 {
            continue;
        }
        offered += 1.0;
        if let (true, spanwise_sampling::TraceStateUpdate::Write(threshold)) =
            (decision.sampled, decision.th)
        {
            estimated += threshold.adjusted_count();
        }
    }
    assert!((estimated / offered - 1.0f64).abs() < 0.05, "{estimated} for {offered}");
}

#[test]
fn no_root_of_any_thread_is_miscounted() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    // The period begins.
    sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&host)));
    let kept: u64 = std::thread::scope(|threads| {
        let work = |seed| {
            let (sampler, host) = (&sampler, &host);
            move || {
                let mut dice = SplitMix64::new(seed);
                let names = ["GET /a", "GET /b", "GET /c"];
                let keeps = |root: &usize| {
                    let id = u128::from(dice.next_u64());
                    sampler
                        .should_sample(&SamplingParameters::root(id, names[root % 3], host))
                        .sampled
                };
                (0..30_000usize).filter(keeps).count() as u64
            }
        };
        // More than there are seats for, some after others are gone.
        let first: Vec<_> = (0..80).map(|seed| threads.spawn(work(seed))).collect();
        let kept: u64 = first.into_iter().map(|thread| thread.join().unwrap()).sum();
        let later: Vec<_> = (80..90).map(|seed| threads.spawn(work(seed))).collect();
        kept + later.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    let state = adaptive.state();
    // All at one instant: what the governor has for a burst.
    assert_eq!((state.sampled, kept), (1000, 1000), "{state:?}");
    host.set_seconds(1.0);
    sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&host)));
    assert_eq!(adaptive.state().offered, 90.0 * 30_000.0);
}

#[test]
fn the_state_tells_the_probability_that_is_in_force() {
    for key in [AdaptiveKey::Name, AdaptiveKey::None] {
        let fresh = || {
            let builder = Adaptive::builder().with_traces_per_second(TARGET).with_key(key.clone());
            let adaptive = builder.build().unwrap();
            (adaptive.clone(), Sampler::from(adaptive), Virtual::new())
        };
        let (adaptive, sampler, host) = fresh();
        // Nothing is known: all is kept.
        assert_eq!(adaptive.state().probability, 1.0);
        // A burst in no time, which the governor alone holds.
        let mut dice = SplitMix64::new(3);
        for offered in 1..=50_000u32 {
            let sampled = sampler
                .should_sample(&SamplingParameters::root(dice.next_u64().into(), "GET /", &host))
                .sampled;
            let state = adaptive.state();
            let share = state.sampled as f64 / f64::from(offered);
            assert!((state.probability - share).abs() < 1e-9, "{state:?} after {offered}");
            assert!(offered > 1 || sampled);
        }
        // Twenty times the target, and none above it: the share that is kept.
        let (adaptive, sampler, host) = fresh();
        for (rate, share) in [(20_000.0, 0.05), (500.0, 1.0)] {
            let series =
                drive(&sampler, &host, Arrivals::new(Shape::Steady(rate), 20.0, 1), || "GET /");
            let (kept, state) = (series.rate(10.0, 20.0) / rate, adaptive.state());
            assert!((state.probability / share - 1.0).abs() < 0.1, "{state:?}");
            assert!((state.probability / kept - 1.0).abs() < 0.1, "{state:?}, kept {kept}");
        }
    }
}

#[test]
fn a_new_target_is_no_new_burst() {
    let builder = Adaptive::builder().with_traces_per_second(20.0);
    let adaptive = builder.build().unwrap();
    let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut dice = SplitMix64::new(3);
    for change in 0..20 {
        adaptive.set_target(if change % 2 == 0 { 10.0 } else { 20.0 }).unwrap();
        for _ in 0..100 {
            let _ = sampler.should_sample(&SamplingParameters::root(
                dice.next_u64().into(),
                "GET /",
                &host,
            ));
        }
    }
    // All at one instant: what the governor had in the beginning.
    assert!(adaptive.state().sampled <= 20, "{:?}", adaptive.state());
}
