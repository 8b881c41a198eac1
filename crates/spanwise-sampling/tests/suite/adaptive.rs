//! The adaptive sampler under loads of all shapes, in virtual time.

use crate::support;

use spanwise_sampling::{
    Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey, Sampler, SamplingParameters,
    Threshold, Tick, max_min_shares,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series, Shape};
use support::{TARGET, Virtual, drive, near};

fn run(
    shape: Shape,
    seconds: f64,
    configure: impl Fn(AdaptiveBuilder) -> AdaptiveBuilder,
) -> Series {
    let builder = Adaptive::builder().with_traces_per_second(TARGET);
    let sampler = Sampler::from(configure(builder).build().unwrap());
    drive(&sampler, &Virtual::new(), Arrivals::new(shape, seconds, 42), || "GET /")
}

#[test]
fn a_step_up_is_limited_within_its_second() {
    for at in [5.0, 5.5] {
        let step = Shape::Step { from: 1e3, to: 1e5, at };
        for (governor, excess, max) in [(false, 5.0, 5.0), (true, 1.5, 2.2)] {
            let series = run(step, 20.0, |builder| builder.with_governor(governor));
            near("settled", series.rate(7.0, 17.0), 0.9, 1.1);
            let over = series.excess(TARGET, 5, 20) / TARGET;
            assert!(over <= excess, "step at {at}, governor {governor}: excess {over:.2} T");
            near("worst second", series.max_per_second(), 0.0, max);
        }
    }
}

#[test]
fn the_estimate_follows_a_step_down_after_two_periods() {
    let series = run(Shape::Step { from: 1e5, to: 2e3, at: 5.0 }, 18.0, |builder| builder);
    near("third second and on", series.rate(8.0, 18.0), 0.9, 1.1);
}

#[test]
fn the_estimate_follows_a_ramp() {
    let ramp = Shape::Ramp { from: 1e3, to: 1e5, over: 60.0 };
    let series = run(ramp, 60.0, |builder| builder.with_trend(true));
    near("first five seconds", series.rate(0.0, 5.0), 0.95, 1.4);
    for at in (5..60).step_by(5) {
        let at = f64::from(at);
        near(&format!("five seconds from {at}"), series.rate(at, at + 5.0), 0.9, 1.15);
    }
}

#[test]
fn the_estimate_follows_a_swing() {
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
fn silence_does_not_raise_the_probability() {
    let series = run(Shape::OnOff { rate: 5e4, each: 5.0 }, 60.0, |builder| builder);
    for second in 5..60 {
        let at = f64::from(second);
        near(&format!("second {second}"), series.rate(at, at + 1.0), 0.0, 1.15);
    }
    near("seconds on", series.rate(20.0, 25.0), 0.85, 1.15);
}

#[test]
fn the_governor_limits_the_burst_after_an_hour_of_silence() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive), Virtual::new());
    drive(&sampler, &context, Arrivals::new(Shape::Steady(1e5), 5.0, 1), || "GET /");
    let burst = Arrivals::new(Shape::Steady(1e5), 5.0, 2);
    let series = Series::record(burst, |arrival| {
        context.set_seconds(3605.0 + arrival.time);
        sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context))
            .sampled
    });
    near("worst second", series.max_per_second(), 0.0, 2.2);
    near("after it", series.rate(2.0, 5.0), 0.9, 1.1);
}

#[test]
fn below_the_target_every_root_is_sampled_with_threshold_0() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    for arrival in Arrivals::new(Shape::Steady(800.0), 30.0, 3) {
        context.set_seconds(arrival.time);
        let decision =
            sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context));
        assert!(decision.sampled);
        assert_eq!(decision.th, spanwise_sampling::TraceStateUpdate::Write(Threshold::KEEP_ALL));
    }
    assert_eq!(adaptive.state().governed, 0);
}

#[test]
fn eight_processes_share_one_target_by_max_min_fairness() {
    // One process is busy; the demand of each other one is below an eighth of the target.
    let load: Vec<f64> = (0..8).map(|process| if process == 0 { 8e3 } else { 100.0 }).collect();
    for allocated in [false, true] {
        let adaptive = || Adaptive::builder().with_traces_per_second(TARGET / 8.0);
        let processes: Vec<Adaptive> = load.iter().map(|_| adaptive().build().unwrap()).collect();
        let samplers: Vec<Sampler> = processes.iter().cloned().map(Sampler::from).collect();
        let context = Virtual::new();
        let total: f64 = load.iter().sum();
        let mut random = SplitMix64::new(8);
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
            let mut at = random.next_f64() * total;
            let index = load.iter().position(|rate| {
                at -= rate;
                at <= 0.0
            });
            context.set_seconds(arrival.time);
            let params = SamplingParameters::root(arrival.trace_id, "GET /", &context);
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
fn the_target_is_met_again_after_the_clock_is_set() {
    for jump in [3600.0, -3600.0] {
        let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
        let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
        let series = Series::record(Arrivals::new(Shape::Steady(2e4), 30.0, 10), |arrival| {
            context.set_seconds(arrival.time + if arrival.time > 10.0 { jump } else { 0.0 });
            sampler
                .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context))
                .sampled
        });
        let state = adaptive.state();
        assert!(state.offered.is_finite() && (0.0..=1.0).contains(&state.probability), "{state:?}");
        near(&format!("after {jump}"), series.rate(13.0, 30.0), 0.9, 1.1);
        near("worst second", series.max_per_second(), 0.0, 2.2);
    }
}

#[test]
fn the_multiplicative_algorithm_falls_to_its_floor() {
    let step = Shape::Step { from: 1e3, to: 1e4, at: 100.0 };
    let multiplicative =
        |builder: AdaptiveBuilder| builder.with_algorithm(AdaptiveAlgorithm::Multiplicative);
    let series = run(step, 400.0, multiplicative);
    // The first window samples all roots of the new rate, each later one a tenth of the one before.
    near("first window", series.rate(101.0, 109.0), 9.0, 11.0);
    near("at the end", series.rate(390.0, 400.0), 0.0, 0.02);
}

#[test]
fn the_target_can_be_changed_at_any_time() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut changed = false;
    let series = Series::record(Arrivals::new(Shape::Steady(2e4), 20.0, 11), |arrival| {
        if arrival.time > 10.0 && !std::mem::replace(&mut changed, true) {
            adaptive.set_target(TARGET / 5.0).unwrap();
        }
        context.set_seconds(arrival.time);
        sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context))
            .sampled
    });
    near("before", series.rate(2.0, 10.0), 0.9, 1.1);
    near("after", series.rate(10.1, 20.0), 0.18, 0.22);
}

#[test]
fn a_target_in_spans_follows_the_size_of_traces() {
    let adaptive = Adaptive::builder().with_spans_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive), Virtual::new());
    let (mut recorded, mut next) = (0, 0.1);
    let series = Series::record(Arrivals::new(Shape::Steady(1e4), 40.0, 12), |arrival| {
        context.set_seconds(arrival.time);
        if arrival.time > next {
            next += 0.1;
            let now = spanwise_sampling::SamplerContext::now(&context);
            sampler.tick(&Tick::at(now).with_recorded(recorded));
        }
        let sampled = sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context))
            .sampled;
        // Traces have five spans, and eight later on.
        recorded += if arrival.time < 20.0 { 5 } else { 8 } * u64::from(sampled);
        sampled
    });
    near("five spans", 5.0 * series.rate(10.0, 20.0), 0.9, 1.1);
    near("eight spans", 8.0 * series.rate(30.0, 40.0), 0.9, 1.1);
}

#[test]
fn ticks_alone_detect_a_drop_in_load() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    drive(&sampler, &context, Arrivals::new(Shape::Steady(1e5), 5.0, 13), || "GET /");
    assert!(adaptive.state().offered > 9e4);
    for tenth in 50..250 {
        context.set_seconds(f64::from(tenth) / 10.0);
        sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&context)));
    }
    assert!(adaptive.state().offered < 1.0);
}

#[test]
fn adjusted_counts_estimate_the_offered_roots() {
    // The adjusted counts of sampled roots estimate the offered ones under changing thresholds.
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).with_key(AdaptiveKey::None);
    let (sampler, context) = (Sampler::from(adaptive.build().unwrap()), Virtual::new());
    let sine = Shape::Sine { mean: 2e4, swing: 1.5e4, period: 60.0 };
    let (mut offered, mut estimated) = (0.0, 0.0);
    for arrival in Arrivals::new(sine, 60.0, 14) {
        context.set_seconds(arrival.time);
        let decision =
            sampler.should_sample(&SamplingParameters::root(arrival.trace_id, "GET /", &context));
        // In the first second the governor drops roots, and sampled ones have no adjusted count.
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
fn a_new_target_fills_no_bucket() {
    let builder = Adaptive::builder().with_traces_per_second(20.0);
    let adaptive = builder.build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut random = SplitMix64::new(3);
    for change in 0..20 {
        adaptive.set_target(if change % 2 == 0 { 10.0 } else { 20.0 }).unwrap();
        for _ in 0..100 {
            let _ = sampler.should_sample(&SamplingParameters::root(
                random.next_u64().into(),
                "GET /",
                &context,
            ));
        }
    }
    // All at one instant: what the governor had in the beginning.
    assert!(adaptive.state().sampled <= 20, "{:?}", adaptive.state());
}
