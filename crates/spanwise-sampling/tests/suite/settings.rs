//! The ranges of settings, strategies and clocks.

use crate::support;

use spanwise_sampling::{
    Adaptive, AdaptiveAlgorithm, ComposableSampler, JaegerPoller, JaegerRemote, JaegerSettings,
    JaegerStrategy, RateLimited, Sampler, SamplerContext, SamplingIntent, SamplingParameters,
    Threshold, Tick, TraceIdRatioBased, XrayRemote, XraySettings,
};
use spanwise_testkit::load::{Arrivals, Shape};
use std::time::Duration;
use support::{Virtual, drive};

#[test]
fn settings_out_of_range_are_rejected_by_name() {
    for rate in [f64::NAN, -1.0, 0.0, f64::INFINITY, 1e300, 1e-300, 2e9] {
        let error = RateLimited::new(rate).unwrap_err().to_string();
        assert!(error.contains("traces_per_second") && error.contains("1e9"), "{error}");
        let builder = Adaptive::builder().with_traces_per_second(rate);
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("with_traces_per_second") && error.contains(&rate.to_string()));
        let error = Adaptive::builder().with_spans_per_second(rate).build().unwrap_err();
        assert_eq!(error.setting, "with_spans_per_second");
    }
    for rate in [1e9, 1e-6] {
        assert!(
            RateLimited::new(rate).is_ok()
                && Adaptive::builder().with_traces_per_second(rate).build().is_ok()
        );
    }
    let adaptive = || Adaptive::builder().with_traces_per_second(1.0);
    assert!(Adaptive::builder().build().is_err());
    assert!(adaptive().with_spans_per_second(1.0).build().is_err());
    assert!(adaptive().with_period(Duration::ZERO).build().is_err());
    assert!(adaptive().with_period(Duration::MAX).build().is_err());
    for probability in [f64::NAN, -0.1, 1.1, 1e-300] {
        assert!(adaptive().with_min_probability(probability).build().is_err());
        assert!(adaptive().with_initial_probability(probability).build().is_err());
        assert!(Sampler::probability(probability).is_err());
    }
    for ratio in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert!(TraceIdRatioBased::new(ratio).is_err());
    }
    let settings = adaptive().build().unwrap();
    assert!(settings.set_target(0.0).is_err());
    assert_eq!(settings.state().target, 1.0);
}

#[test]
fn extreme_targets_stay_within_bounds() {
    for algorithm in [AdaptiveAlgorithm::OfferedRate, AdaptiveAlgorithm::Multiplicative] {
        for target in [1e-6, 0.1, 1e9] {
            let builder =
                Adaptive::builder().with_traces_per_second(target).with_algorithm(algorithm);
            let adaptive = builder.build().unwrap();
            let (sampler, context) = (Sampler::from(adaptive.clone()), Virtual::new());
            let series =
                drive(&sampler, &context, Arrivals::new(Shape::Steady(1e4), 25.0, 1), || "x");
            let state = adaptive.state();
            assert!((0.0..=1.0).contains(&state.probability), "{state:?}");
            if target == 1e9 {
                assert_eq!(series.sampled, series.arrived);
            } else if algorithm == AdaptiveAlgorithm::OfferedRate {
                // The governor's minimum burst.
                assert!(series.sampled.iter().sum::<u32>() <= 20, "{target}");
            }
        }
    }
}

#[test]
fn jaeger_settings_are_parsed() {
    let settings = "endpoint=http://jaeger:5778,pollingIntervalMs=5000,initialSamplingRate=0.25";
    let settings = JaegerSettings::parse(settings).unwrap();
    assert_eq!(settings.endpoint(), "http://jaeger:5778/sampling");
    assert_eq!(settings.interval(), Duration::from_secs(5));
    assert_eq!(settings.initial_probability(), 0.25);
    assert_eq!(JaegerSettings::parse("").unwrap(), JaegerSettings::default());
    let given = JaegerSettings::parse("endpoint=https://host/api/sampling").unwrap();
    assert_eq!(given.endpoint(), "https://host/api/sampling");
    for (argument, named) in [
        ("endpoint=host:14250", "http://host:port"),
        ("endpoint=http:///x", "http://host:port"),
        ("pollingIntervalMs=0", "1 or more"),
        ("pollingIntervalMs=soon", "pollingIntervalMs=`[redacted]`"),
        ("initialSamplingRate=2", "0, or 2^-56"),
        ("initialSamplingRate=NaN", "NaN"),
        ("rate=1", "initialSamplingRate="),
        ("0.25", "endpoint="),
    ] {
        let error = JaegerSettings::parse(argument).unwrap_err().to_string();
        assert!(error.contains(named), "{argument}: {error}");
    }
}

#[test]
fn the_ends_of_every_range_are_accepted() {
    let day = Duration::from_secs(86_400);
    for interval in [Duration::from_millis(1), 30 * day] {
        let settings = JaegerSettings::default().with_interval(interval).unwrap();
        // The poller is due at once, and at the end of time after a response there.
        let remote = JaegerRemote::new(Sampler::always_off());
        let mut poller = JaegerPoller::new(&settings, "shop", remote.clone(), u64::MAX);
        poller.answered(u64::MAX, br#"{"probabilisticSampling":{"samplingRate":1}}"#).unwrap();
        assert_eq!(poller.due(), u64::MAX);
        (0..100).for_each(|_| poller.failed(u64::MAX - 1));
        assert_eq!(XraySettings::default().with_interval(interval).unwrap().interval(), interval);
    }
    let outside =
        [Duration::ZERO, Duration::from_nanos(999_999), 30 * day + Duration::from_nanos(1)];
    for interval in outside.into_iter().chain([Duration::MAX]) {
        let error = JaegerSettings::default().with_interval(interval).unwrap_err().to_string();
        assert!(error.contains("1 or more, to 2592000000 (30 days)"), "{error}");
        let error = XraySettings::default().with_interval(interval).unwrap_err().to_string();
        assert!(error.contains("1 or more, to 2592000 (30 days)"), "{error}");
    }
    for argument in
        ["pollingIntervalMs=18446744073709551615", "pollingIntervalMs=99999999999999999999"]
    {
        let error = JaegerSettings::parse(argument).unwrap_err().to_string();
        assert!(error.contains("30 days"), "{error}");
    }
    for digits in [0, 1, 14, 15, u32::MAX] {
        let threshold = Threshold::with_digits(0.3, digits).unwrap().unwrap();
        assert!((threshold.probability() - 0.3).abs() < 0.04, "{digits}");
    }
    for rate in [f64::MAX, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, 5e-324, -0.0, 0.0] {
        assert!(RateLimited::new(rate).is_err(), "{rate:e}");
        assert!(Adaptive::builder().with_spans_per_second(rate).build().is_err(), "{rate:e}");
        assert_eq!(Sampler::probability(rate).is_ok(), rate == 0.0, "{rate:e}");
    }
}

/// Strategies that no collector sends and a caller can construct.
#[test]
fn strategies_with_any_numbers_can_be_applied() {
    let context = Virtual::new();
    for number in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324, -1.0, 0.0] {
        let remote = JaegerRemote::new(Sampler::always_off());
        let per_operation = JaegerStrategy::PerOperation {
            default: number,
            lower_bound: number,
            operations: vec![("x".into(), number)],
        };
        let all = [
            JaegerStrategy::Probabilistic(number),
            JaegerStrategy::RateLimiting(number),
            per_operation,
        ];
        for strategy in all {
            remote.apply(&strategy);
            for (id, name) in (0..100).flat_map(|id| [(id, "x"), (id, "y")]) {
                let _any = Sampler::from(remote.clone())
                    .should_sample(&SamplingParameters::root(id, name, &context));
            }
        }
    }
}

/// A context whose clock returns any time.
#[derive(Debug)]
struct Anything(std::sync::atomic::AtomicU64);

impl SamplerContext for Anything {
    fn now(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        u64::MAX
    }
}

#[test]
fn every_reading_of_a_clock_is_accepted() {
    let context = Anything(0.into());
    let remote = JaegerRemote::new(Sampler::always_off());
    remote.apply(&JaegerStrategy::PerOperation {
        default: 0.0,
        lower_bound: 1.0,
        operations: vec![],
    });
    let samplers = [
        Sampler::from(RateLimited::new(1e-6).unwrap()),
        RateLimited::new(1.0).unwrap().into(),
        RateLimited::new(1e9).unwrap().into(),
        Adaptive::builder().with_traces_per_second(1e-6).build().unwrap().into(),
        Adaptive::builder().with_spans_per_second(1e9).build().unwrap().into(),
        XrayRemote::new().into(),
        remote.into(),
    ];
    let (half, all) = (u64::MAX / 2, u64::MAX);
    for now in [0, all, 0, half, half + 1, all - 1, all, 1, 1 << 62, 3 << 62, all] {
        context.0.store(now, std::sync::atomic::Ordering::Relaxed);
        for sampler in &samplers {
            for id in 0..200 {
                let _any = sampler.should_sample(&SamplingParameters::root(id, "x", &context));
            }
            sampler.tick(&Tick::at(now).with_recorded(now));
        }
    }
}

#[test]
fn a_sampler_that_samples_no_root_is_known_by_its_settings_and_not_by_its_name() {
    #[derive(Debug)]
    struct Named;
    impl ComposableSampler for Named {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            SamplingIntent::keep(Threshold::KEEP_ALL)
        }
        fn description(&self) -> String {
            "AlwaysOffOnSundays{root=AlwaysOff}".to_owned()
        }
    }
    let off = Sampler::always_off;
    let ratio = |ratio| Sampler::from(TraceIdRatioBased::new(ratio).unwrap());
    for none in [off(), off().parent_based(), off().parent_based().parent_based(), ratio(0.0)] {
        assert!(none.samples_no_root(), "{none}");
    }
    let some = [Named.into(), Named.parent_based(), Sampler::always_on(), ratio(1e-9)];
    for some in some.into_iter().chain([Sampler::probability(0.01).unwrap().parent_based()]) {
        assert!(!some.samples_no_root(), "{some}");
    }
}
