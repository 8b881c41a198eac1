//! The keys and counters of the adaptive sampler.

use crate::support;

use spanwise_sampling::{Adaptive, AdaptiveKey, Sampler, SamplingParameters, Tick, Value};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series, Shape};
use std::collections::HashMap;
use support::{TARGET, Virtual, drive, near};

/// The sampled roots per second by name, from second 10 on.
fn sampled_by_name(names: &[String], weights: &[f64], seconds: f64) -> HashMap<String, f64> {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive), Virtual::new());
    let total: f64 = weights.iter().sum();
    let mut random = SplitMix64::new(5);
    let mut rates = HashMap::new();
    for arrival in Arrivals::new(Shape::Steady(total), seconds, 4) {
        let mut at = random.next_f64() * total;
        let index = weights.iter().position(|weight| {
            at -= weight;
            at <= 0.0
        });
        let name = &names[index.unwrap_or(0)];
        context.set_seconds(arrival.time);
        let sampled = sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, name, &context))
            .sampled;
        if sampled && arrival.time >= 10.0 {
            *rates.entry(name.clone()).or_default() += 1.0 / (seconds - 10.0);
        }
    }
    rates
}

#[test]
fn a_frequent_key_takes_no_share_from_rare_keys() {
    let names: Vec<String> = (0..100).map(|key| format!("GET /{key}")).collect();
    let weights: Vec<f64> = (0..100).map(|key| if key == 0 { 1e5 } else { 5.0 }).collect();
    let rates = sampled_by_name(&names, &weights, 30.0);
    near("hot", rates["GET /0"] / 0.505, 0.9, 1.1);
    let cold: f64 = names[1..].iter().map(|name| rates[name]).sum();
    near("cold", cold / 0.495, 0.97, 1.03);
}

#[test]
fn equal_keys_get_equal_shares() {
    let names: Vec<String> = (0..100).map(|key| format!("GET /{key}")).collect();
    let rates = sampled_by_name(&names, &[500.0; 100], 70.0);
    for name in &names {
        near(name, rates[name] * 100.0, 0.8, 1.2);
    }
}

#[test]
fn an_unbounded_number_of_keys_shares_one_slot() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut fresh = 0u64;
    let series = Series::record(Arrivals::new(Shape::Steady(2e4), 30.0, 6), |arrival| {
        // Every second root has a name of its own.
        fresh += 1;
        let name = if fresh.is_multiple_of(2) { "GET /".into() } else { format!("GET /{fresh}") };
        context.set_seconds(arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, &name, &context)).sampled
    });
    assert!(adaptive.state().keys <= 256);
    near("all", series.rate(5.0, 30.0), 0.9, 1.1);
}

#[test]
fn a_key_that_becomes_frequent_gets_a_slot() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    let mut count = 0u64;
    let mut late = 0u32;
    for arrival in Arrivals::new(Shape::Steady(2e4), 60.0, 7) {
        count += 1;
        // Every name is new, except one that starts 1,000 roots per second from second 20 on.
        let name = match count % 20 {
            0 if arrival.time > 20.0 => "late".into(),
            _ => format!("GET /{count}"),
        };
        context.set_seconds(arrival.time);
        let sampled = sampler
            .should_sample(&SamplingParameters::root(arrival.trace_id, &name, &context))
            .sampled;
        late += u32::from(sampled && name == "late" && arrival.time > 40.0);
    }
    // Half of the target for 20 seconds; with all others it would be a twentieth.
    assert!((8_000..12_000).contains(&late), "{late}");
}

#[test]
fn the_roots_of_every_thread_are_counted_exactly() {
    let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
    // The period begins.
    sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&context)));
    let sampled: u64 = std::thread::scope(|threads| {
        let work = |seed| {
            let (sampler, context) = (&sampler, &context);
            move || {
                let mut random = SplitMix64::new(seed);
                let names = ["GET /a", "GET /b", "GET /c"];
                let keeps = |root: &usize| {
                    let id = u128::from(random.next_u64());
                    sampler
                        .should_sample(&SamplingParameters::root(id, names[root % 3], context))
                        .sampled
                };
                (0..30_000usize).filter(keeps).count() as u64
            }
        };
        // More threads than there are slots, some of which start after others have ended.
        let first: Vec<_> = (0..80).map(|seed| threads.spawn(work(seed))).collect();
        let sampled: u64 = first.into_iter().map(|thread| thread.join().unwrap()).sum();
        let later: Vec<_> = (80..90).map(|seed| threads.spawn(work(seed))).collect();
        sampled + later.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    let state = adaptive.state();
    // All roots start at one instant: the governor admits its burst.
    assert_eq!((state.sampled, sampled), (1000, 1000), "{state:?}");
    context.set_seconds(1.0);
    sampler.tick(&Tick::at(spanwise_sampling::SamplerContext::now(&context)));
    assert_eq!(adaptive.state().offered, 90.0 * 30_000.0);
}

#[test]
fn the_state_holds_the_present_probability() {
    for key in [AdaptiveKey::Name, AdaptiveKey::None] {
        let fresh = || {
            let builder = Adaptive::builder().with_traces_per_second(TARGET).with_key(key.clone());
            let adaptive = builder.build().unwrap();
            (adaptive.clone(), Sampler::from(adaptive), Virtual::new())
        };
        let (adaptive, sampler, context) = fresh();
        // Before the first measurement every root is sampled.
        assert_eq!(adaptive.state().probability, 1.0);
        // A burst at one instant, which only the governor limits.
        let mut random = SplitMix64::new(3);
        for offered in 1..=50_000u32 {
            let sampled = sampler
                .should_sample(&SamplingParameters::root(
                    random.next_u64().into(),
                    "GET /",
                    &context,
                ))
                .sampled;
            let state = adaptive.state();
            let share = state.sampled as f64 / f64::from(offered);
            assert!((state.probability - share).abs() < 1e-9, "{state:?} after {offered}");
            assert!(offered > 1 || sampled);
        }
        // Twenty times the target, then half of it: the state holds the share of sampled roots.
        let (adaptive, sampler, context) = fresh();
        for (rate, share) in [(20_000.0, 0.05), (500.0, 1.0)] {
            let series =
                drive(&sampler, &context, Arrivals::new(Shape::Steady(rate), 20.0, 1), || "GET /");
            let (sampled, state) = (series.rate(10.0, 20.0) / rate, adaptive.state());
            assert!((state.probability / share - 1.0).abs() < 0.1, "{state:?}");
            assert!(
                (state.probability / sampled - 1.0).abs() < 0.1,
                "{state:?}, sampled {sampled}"
            );
        }
    }
}

#[test]
fn the_rates_have_each_key_with_its_probability_and_its_load() {
    let adaptive = Adaptive::builder().with_traces_per_second(100.0).build().unwrap();
    let sampler = Sampler::from(adaptive).parent_based();
    let mut count = 0_u32;
    drive(&sampler, &Virtual::new(), Arrivals::new(Shape::Steady(1000.0), 10.0, 5), || {
        count += 1;
        if count.is_multiple_of(10) { "GET /rare" } else { "GET /busy" }
    });
    let rates = sampler.rates();
    let keys: Vec<_> = rates.iter().map(|rate| &*rate.key).take(2).collect();
    assert_eq!(keys, ["GET /busy", "GET /rare"], "{rates:?}");
    assert!((800.0..1000.0).contains(&rates[0].per_second), "{rates:?}");
    assert!((80.0..120.0).contains(&rates[1].per_second), "{rates:?}");
    assert!(rates[0].probability < rates[1].probability, "{rates:?}");
    let sampled: f64 = rates.iter().map(|it| it.probability * it.per_second).sum();
    assert!((80.0..125.0).contains(&sampled), "{rates:?}");
}

#[test]
fn the_rates_show_no_value_of_an_attribute() {
    let key = AdaptiveKey::Attribute("user.token".to_owned());
    let adaptive = Adaptive::builder().with_traces_per_second(100.0).with_key(key).build().unwrap();
    let (sampler, context) = (Sampler::from(adaptive), Virtual::new());
    let token = &[("user.token", Value::Str("hunter2canary"))][..];
    for arrival in Arrivals::new(Shape::Steady(1000.0), 5.0, 6) {
        context.set_seconds(arrival.time);
        let root = SamplingParameters::root(arrival.trace_id, "GET /", &context);
        let _decision = sampler.should_sample(&SamplingParameters { attributes: &token, ..root });
    }
    let rates = sampler.rates();
    assert!(rates.iter().any(|rate| rate.key.starts_with('#')), "{rates:?}");
    assert!(!format!("{rates:?}").contains("hunter2"), "{rates:?}");
}

#[test]
fn other_samplers_have_no_rates() {
    assert!(Sampler::always_on().parent_based().rates().is_empty());
    assert!(Sampler::probability(0.5).unwrap().rates().is_empty());
}
