//! Rates that are kept, and settings that are refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Adaptive, AdaptiveAlgorithm, JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy,
    JaegerStrategyError, RateLimited, Sampler, SamplerContext, SamplingParameters, Threshold, Tick,
    TraceIdRatioBased, XrayError, XrayPoller, XrayRemote, XraySettings, trace_state::OtMember,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Shape};
use std::time::Duration;
use support::{Virtual, drive};

#[test]
fn a_rate_is_kept_whatever_comes() {
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
        // The first second has the burst; after it the rate holds.
        let settled = series.rate(2.0, seconds);
        assert!((settled / rate - 1.0).abs() < 0.02, "{settled} for {rate}");
        assert!(series.max_per_second() <= 2.05 * f64::max(rate, 1.0), "{rate}");
    }
}

#[test]
fn below_the_rate_all_is_kept() {
    let sampler = Sampler::from(RateLimited::new(1e9).unwrap());
    let series =
        drive(&sampler, &Virtual::new(), Arrivals::new(Shape::Steady(1e5), 2.0, 1), || "x");
    assert_eq!(series.arrived, series.sampled);
}

#[test]
fn the_rate_can_be_changed_while_running() {
    let limited = RateLimited::new(1000.0).unwrap();
    let (sampler, host) = (Sampler::from(limited.clone()), Virtual::new());
    drive(&sampler, &host, Arrivals::new(Shape::Steady(1e5), 2.0, 1), || "x");
    limited.set_rate(50.0).unwrap();
    assert!(limited.set_rate(f64::NAN).is_err());
    let series = drive(&sampler, &host, Arrivals::new(Shape::Steady(1e5), 12.0, 1), || "x");
    assert!((series.rate(2.0, 12.0) / 50.0 - 1.0).abs() < 0.02);
}

/// The bucket's arithmetic, by hand: 10/s is ten at once, and a change of the rate earns nothing.
#[test]
fn a_change_of_the_rate_fills_no_bucket() {
    let limited = RateLimited::new(10.0).unwrap();
    let (sampler, host) = (Sampler::from(limited.clone()), Virtual::new());
    let kept = |offered: u128| {
        let decide =
            |id: &u128| sampler.should_sample(&SamplingParameters::root(*id, "x", &host)).sampled;
        (0..offered).filter(decide).count()
    };
    assert_eq!(kept(4), 4);
    // Six are left, at whatever rate.
    limited.set_rate(1000.0).unwrap();
    assert_eq!(kept(100), 6);
    for rate in [10.0, 10.0, 500.0, 20.0] {
        limited.set_rate(rate).unwrap();
        assert_eq!(kept(100), 0, "{rate}");
    }
    // The clones share what it earns from here on: twenty in a second.
    host.set_seconds(1.0);
    assert!((19..=20).contains(&kept(100)));
}

#[test]
fn threads_share_one_rate() {
    let limited = Sampler::from(RateLimited::new(5e4).unwrap());
    let host = Virtual::new();
    let kept: usize = std::thread::scope(|threads| {
        let count = |seed| {
            let (limited, host) = (&limited, &host);
            move || {
                let mut dice = SplitMix64::new(seed);
                let params = |id| SamplingParameters::root(id, "x", host);
                let kept = |_: &u32| limited.should_sample(&params(dice.next_u64().into())).sampled;
                (0..50_000).filter(kept).count()
            }
        };
        let running: Vec<_> = (0..4).map(|seed| threads.spawn(count(seed))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // 200,000 at one instant: the burst, which is a second's worth in whole bulks.
    assert!((49_900..=50_100).contains(&kept), "{kept}");
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
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
fn extreme_targets_neither_panic_nor_lose_bounds() {
    for law in [AdaptiveAlgorithm::OfferedRate, AdaptiveAlgorithm::Document] {
        for target in [1e-6, 0.1, 1e9] {
            let builder = Adaptive::builder().with_traces_per_second(target).with_algorithm(law);
            let adaptive = builder.build().unwrap();
            let (sampler, host) = (Sampler::from(adaptive.clone()), Virtual::new());
            let series = drive(&sampler, &host, Arrivals::new(Shape::Steady(1e4), 25.0, 1), || "x");
            let state = adaptive.state();
            assert!((0.0..=1.0).contains(&state.probability), "{state:?}");
            if target == 1e9 {
                assert_eq!(series.sampled, series.arrived);
            } else if law == AdaptiveAlgorithm::OfferedRate {
                // The first burst, as small as a governor has them.
                assert!(series.sampled.iter().sum::<u32>() <= 20, "{target}");
            }
        }
    }
}

#[test]
fn jaeger_settings() {
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
fn every_number_has_a_range_and_its_ends_work() {
    let day = Duration::from_secs(86_400);
    for interval in [Duration::from_millis(1), 30 * day] {
        let settings = JaegerSettings::default().with_interval(interval).unwrap();
        // Asks at once, whatever comes, and a poll later.
        let remote = JaegerRemote::new(Sampler::always_off());
        let mut poll = JaegerPoller::new(&settings, "shop", remote.clone(), u64::MAX);
        poll.answered(u64::MAX, br#"{"probabilisticSampling":{"samplingRate":1}}"#).unwrap();
        assert_eq!(poll.due(), u64::MAX);
        (0..100).for_each(|_| poll.failed(u64::MAX - 1));
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

/// Strategies that no collector sends, but a caller can make.
#[test]
fn strategies_of_any_numbers_can_be_applied() {
    let host = Virtual::new();
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
                let _whatever = Sampler::from(remote.clone())
                    .should_sample(&SamplingParameters::root(id, name, &host));
            }
        }
    }
}

/// A host whose clock says anything.
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
fn a_clock_may_say_anything() {
    let host = Anything(0.into());
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
        host.0.store(now, std::sync::atomic::Ordering::Relaxed);
        for sampler in &samplers {
            for id in 0..200 {
                let _whatever = sampler.should_sample(&SamplingParameters::root(id, "x", &host));
            }
            sampler.tick(&Tick::at(now).with_recorded(now));
        }
    }
}

#[test]
fn credentials_in_a_url_are_never_shown() {
    // What stands in front of an `@` or behind a `?`, wherever that is.
    for (url, shown) in [
        ("http://me:hunter2@host:1/path", "http://[redacted]@host:1/path"),
        ("https://hunter2@host/path?key=hunter2", "https://[redacted]@host/path?[redacted]"),
        ("http://host/path#hunter2", "http://host/path?[redacted]"),
        ("http://me:hun/ter2/hunter2@host/path", "http://[redacted]@host/path"),
        ("http://me:hunter2?hunter2@host/hunter2", "http://[redacted]"),
        ("http://host/path?key=a@hunter2", "http://[redacted]"),
        ("http://host/?key=hunter2@hunter2#hunter2", "http://[redacted]"),
        ("http://host?key=a@hunter2/hunter2", "http://[redacted]"),
    ] {
        let jaeger = JaegerSettings::default().with_endpoint(url).unwrap();
        let xray = XraySettings::default().with_endpoint(url).unwrap();
        assert_eq!((jaeger.endpoint(), xray.endpoint()), (url, url));
        let remote = JaegerRemote::new(Sampler::always_off());
        let poll = JaegerPoller::new(&jaeger, "shop", remote, 1);
        assert!(poll.url().contains("hunter2"), "it is asked as it was given");
        let xray_poll = XrayPoller::new(&xray, "shop", XrayRemote::new(), 1);
        for text in [format!("{jaeger:?}"), format!("{xray:?}"), format!("{xray_poll:?}")] {
            assert!(text.contains(&format!("{shown:?}")) && !text.contains("hunter2"), "{text}");
        }
        let text = format!("{poll:?}");
        assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");

        // In errors too, as a value and as a key without one.
        for argument in [format!("endpoint={url}\0"), url.to_owned()] {
            let errors =
                [JaegerSettings::parse(&argument).err(), XraySettings::parse(&argument).err()];
            for error in errors {
                let text = format!("{0} {0:?}", error.unwrap());
                assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
            }
        }
    }
}

#[test]
fn a_url_that_a_comma_cuts_shows_none_of_its_pieces() {
    for argument in [
        "endpoint=http://me:pass,hunter2@host:1/path",
        "endpoint=http://me:pass,hunter2=x@host:1/path",
        "endpoint=http://host/path?key=pass,hunter2",
        "endpoint=http://host/path?key=pass,hunter2=hunter2",
        "pollingIntervalMs=http://me:hunter2@host",
        "initialSamplingRate=http://me@host?hunter2",
        "polling_interval=http://me:hunter2@host",
        "hunter2=http://host",
        "rate=hunter2",
    ] {
        let errors = [JaegerSettings::parse(argument).err(), XraySettings::parse(argument).err()];
        for error in errors {
            let text = format!("{0} {0:?}", error.unwrap());
            assert!(!text.contains("hunter2"), "{argument}: {text}");
        }
    }
}

#[test]
fn what_x_ray_is_told_is_not_shown() {
    let mut poll = XrayPoller::new(&XraySettings::default(), "shop", XrayRemote::new(), 1);
    assert!(poll.request(0, 1).is_some());
    poll.answered(0, 1, br#"{"SamplingRuleRecords":[],"NextToken":"hunter2"}"#).unwrap();
    let request = poll.request(0, 1).unwrap();
    assert!(request.body.contains("hunter2"), "the page is asked for by its token");
    let shown = format!("{request:?} {poll:?}");
    assert!(!shown.contains("hunter2") && shown.contains("/GetSamplingRules"), "{shown}");
}

#[test]
fn errors_read_in_debug_as_they_do_in_display() {
    // `main` prints `Error: {e:?}` of what it returns (std, `Termination`).
    let errors: Vec<Box<dyn std::error::Error>> = vec![
        Box::new(Sampler::probability(7.0).unwrap_err()),
        Box::new(RateLimited::new(f64::NAN).unwrap_err()),
        Box::new(JaegerSettings::parse("rate=1").unwrap_err()),
        Box::new(OtMember::parse("th").unwrap_err()),
        Box::new(JaegerStrategy::parse(b"{").unwrap_err()),
        Box::new(JaegerStrategy::parse(b"{}").unwrap_err()),
        Box::new(JaegerStrategyError::TooManyOperations(3)),
        Box::new(XrayError::TooManyRules),
        Box::new(XrayError::Unprocessed(3)),
    ];
    for error in errors {
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().contains(' ') && !error.to_string().contains('\n'));
    }
}

#[test]
fn what_is_refused_is_shown_bounded_and_without_control_characters() {
    let hostile = format!("\0\x1b[2J\u{9b}{}", "é".repeat(100_000));
    let errors = [
        JaegerSettings::parse(&format!("{hostile}=1")).unwrap_err(),
        JaegerSettings::parse(&format!("endpoint={hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("endpoint=http://{hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("pollingIntervalMs={hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("initialSamplingRate={hostile}")).unwrap_err(),
        XraySettings::parse(&format!("polling_interval={hostile}")).unwrap_err(),
        XraySettings::parse(&format!("endpoint=https://x@{hostile}")).unwrap_err(),
        XraySettings::parse(&hostile).unwrap_err(),
    ];
    for error in errors {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
        }
        let shown = error.to_string();
        assert!(shown.contains("\\u{1b}[2J") || shown.contains("[redacted]"), "{error}");
    }
    for url in ["http://host/\r\nx: y", "http://host\0", &format!("http://{}", "x".repeat(2048))] {
        assert!(JaegerSettings::default().with_endpoint(url).is_err());
        assert!(XraySettings::default().with_endpoint(url).is_err());
    }
    let longest = format!("http://{}", "x".repeat(2041));
    assert!(XraySettings::default().with_endpoint(&longest).is_ok());
    // The service's name is not ours: what goes into a URL is bounded.
    let remote = || JaegerRemote::new(Sampler::always_off());
    let poll = JaegerPoller::new(&JaegerSettings::default(), &hostile, remote(), 1);
    assert!(poll.url().len() < 4_000 && poll.url().is_ascii());
    let query = poll.url().split_once("service=").unwrap().1;
    let bytes = query.split('%').skip(1).map(|hex| u8::from_str_radix(&hex[..2], 16).unwrap());
    assert!(bytes.filter(|byte| *byte == 0xc3).count() > 500, "cut between characters");
}
