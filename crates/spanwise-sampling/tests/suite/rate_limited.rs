//! The rate limiting sampler.

use crate::support;

use spanwise_sampling::{RateLimited, Sampler, SamplingParameters};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Shape};
use support::{Virtual, drive};

#[test]
fn a_rate_limit_holds_under_every_load() {
    for (rate, offered, seconds) in
        [(0.5, 100.0, 200.0), (10.0, 1e3, 60.0), (1e3, 1e5, 10.0), (2e4, 1e5, 10.0)]
    {
        let sampler = Sampler::from(RateLimited::new(rate).unwrap());
        let series = drive(
            &sampler,
            &Virtual::new(),
            Arrivals::new(Shape::Steady(offered), seconds, 1),
            || "x",
        );
        // The first second has the burst; the rate holds after it.
        let settled = series.rate(2.0, seconds);
        assert!((settled / rate - 1.0).abs() < 0.02, "{settled} for {rate}");
        assert!(series.max_per_second() <= 2.05 * f64::max(rate, 1.0), "{rate}");
    }
}

#[test]
fn below_the_rate_every_root_is_sampled() {
    let sampler = Sampler::from(RateLimited::new(1e9).unwrap());
    let series =
        drive(&sampler, &Virtual::new(), Arrivals::new(Shape::Steady(1e5), 2.0, 1), || "x");
    assert_eq!(series.arrived, series.sampled);
}

#[test]
fn a_running_limiter_takes_a_new_rate() {
    let limited = RateLimited::new(1000.0).unwrap();
    let (sampler, context) = (Sampler::from(limited.clone()), Virtual::new());
    drive(&sampler, &context, Arrivals::new(Shape::Steady(1e5), 2.0, 1), || "x");
    limited.set_rate(50.0).unwrap();
    assert!(limited.set_rate(f64::NAN).is_err());
    let series = drive(&sampler, &context, Arrivals::new(Shape::Steady(1e5), 12.0, 1), || "x");
    assert!((series.rate(2.0, 12.0) / 50.0 - 1.0).abs() < 0.02);
}

/// The bucket's arithmetic, by hand: 10/s permits ten at once, and a change of the rate adds none.
#[test]
fn a_change_of_the_rate_fills_no_bucket() {
    let limited = RateLimited::new(10.0).unwrap();
    let (sampler, context) = (Sampler::from(limited.clone()), Virtual::new());
    let sampled = |offered: u128| {
        let decide = |id: &u128| {
            sampler.should_sample(&SamplingParameters::root(*id, "x", &context)).sampled
        };
        (0..offered).filter(decide).count()
    };
    assert_eq!(sampled(4), 4);
    // Six permits are left at every rate.
    limited.set_rate(1000.0).unwrap();
    assert_eq!(sampled(100), 6);
    for rate in [10.0, 10.0, 500.0, 20.0] {
        limited.set_rate(rate).unwrap();
        assert_eq!(sampled(100), 0, "{rate}");
    }
    // The bucket refills at the last rate: twenty in a second.
    context.set_seconds(1.0);
    assert!((19..=20).contains(&sampled(100)));
}

#[test]
fn threads_share_one_rate() {
    let limited = Sampler::from(RateLimited::new(5e4).unwrap());
    let context = Virtual::new();
    let sampled: usize = std::thread::scope(|threads| {
        let count = |seed| {
            let (limited, context) = (&limited, &context);
            move || {
                let mut random = SplitMix64::new(seed);
                let params = |id| SamplingParameters::root(id, "x", context);
                let sampled =
                    |_: &u32| limited.should_sample(&params(random.next_u64().into())).sampled;
                (0..50_000).filter(sampled).count()
            }
        };
        let running: Vec<_> = (0..4).map(|seed| threads.spawn(count(seed))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // 200,000 roots at one instant: the burst is the permits of a second, in whole bulks.
    assert!((49_900..=50_100).contains(&sampled), "{sampled}");
}
