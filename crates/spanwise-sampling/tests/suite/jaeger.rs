//! Strategies of Jaeger: parsing, decisions and polling.

use crate::support;

use spanwise_sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy, JaegerStrategyError, Sampler,
    SamplingParameters, TraceStateUpdate,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Shape};
use std::time::Duration;
use support::{Virtual, drive};

/// The response of a Jaeger 2 collector for a service with two endpoints.
const PER_OPERATION: &str = r#"{
    "strategyType": "PROBABILISTIC",
    "probabilisticSampling": {"samplingRate": 0.001},
    "operationSampling": {
        "defaultSamplingProbability": 0.1,
        "defaultLowerBoundTracesPerSecond": 2,
        "perOperationStrategies": [
            {"operation": "GET /always", "probabilisticSampling": {"samplingRate": 1}},
            {"operation": "GET /never", "probabilisticSampling": {"samplingRate": 0}}
        ]
    }
}"#;

#[test]
fn strategies_are_parsed() {
    let parse = |json: &str| JaegerStrategy::parse(json.as_bytes());
    assert_eq!(
        parse(r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}"#),
        Ok(JaegerStrategy::Probabilistic(0.25))
    );
    assert_eq!(
        parse(r#"{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":5}}"#),
        Ok(JaegerStrategy::RateLimiting(5.0))
    );
    let Ok(JaegerStrategy::PerOperation { default, lower_bound, operations }) =
        parse(PER_OPERATION)
    else {
        panic!("strategies per operation take precedence");
    };
    assert_eq!((default, lower_bound, operations.len()), (0.1, 2.0, 2));
}

#[test]
fn strategies_are_parsed_as_proto3_json() {
    use JaegerStrategy::{PerOperation, Probabilistic, RateLimiting};
    let one = |name: &str, rate| vec![(name.to_owned(), rate)];
    let operations =
        |default, lower_bound, operations| PerOperation { default, lower_bound, operations };
    for (json, strategy) in [
        // "If the JSON value is missing, the field is its default value" (ProtoJSON, Presence and
        // default-values): zero for numbers.
        (r#"{"probabilisticSampling":{}}"#, Probabilistic(0.0)),
        (r#"{"rateLimitingSampling":{}}"#, RateLimiting(0.0)),
        (r#"{"operationSampling":{}}"#, operations(0.0, 0.0, vec![])),
        (
            r#"{"operationSampling":{"perOperationStrategies":[{"operation":"x"}]}}"#,
            operations(0.0, 0.0, one("x", 0.0)),
        ),
        (
            r#"{"operationSampling":{"perOperationStrategies":[{"probabilisticSampling":{}}]}}"#,
            operations(0.0, 0.0, one("", 0.0)),
        ),
        // "null is an accepted value for all field types and treated as the default value".
        (r#"{"probabilisticSampling":{"samplingRate":null}}"#, Probabilistic(0.0)),
        (
            r#"{"operationSampling":null,"rateLimitingSampling":null,"strategyType":null,
                "probabilisticSampling":{"samplingRate":0.5}}"#,
            Probabilistic(0.5),
        ),
        (
            r#"{"operationSampling":{"defaultSamplingProbability":null,
                "defaultLowerBoundTracesPerSecond":null,"perOperationStrategies":null}}"#,
            operations(0.0, 0.0, vec![]),
        ),
        // "Either numbers or strings are accepted. Exponent notation is also accepted."
        (r#"{"probabilisticSampling":{"samplingRate":"0.25"}}"#, Probabilistic(0.25)),
        (r#"{"probabilisticSampling":{"samplingRate":"25e-2"}}"#, Probabilistic(0.25)),
        (r#"{"probabilisticSampling":{"samplingRate":1e-1}}"#, Probabilistic(0.1)),
        (r#"{"rateLimitingSampling":{"maxTracesPerSecond":"5"}}"#, RateLimiting(5.0)),
        (r#"{"rateLimitingSampling":{"maxTracesPerSecond":5.0}}"#, RateLimiting(5.0)),
        (
            r#"{"rateLimitingSampling":{"maxTracesPerSecond":2147483647}}"#,
            RateLimiting(2_147_483_647.0),
        ),
        // "The name of the enum value … is used. Parsers accept both enum names and integer values."
        (
            r#"{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":5}}"#,
            RateLimiting(5.0),
        ),
        (
            r#"{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":5}}"#,
            RateLimiting(5.0),
        ),
        // "Parsers accept both the lowerCamelCase name and the original proto field name."
        (
            r#"{"strategy_type":0,"probabilistic_sampling":{"sampling_rate":0.5}}"#,
            Probabilistic(0.5),
        ),
        (r#"{"rate_limiting_sampling":{"max_traces_per_second":5}}"#, RateLimiting(5.0)),
        (
            r#"{"operation_sampling":{"default_sampling_probability":0.5,
                "default_lower_bound_traces_per_second":"2","per_operation_strategies":[
                {"operation":"x","probabilistic_sampling":{"sampling_rate":1}}]}}"#,
            operations(0.5, 2.0, one("x", 1.0)),
        ),
        // Unknown fields are ignored at every level.
        (
            r#"{"new":{"a":[1]},"probabilisticSampling":{"samplingRate":0.5,"newer":"x"}}"#,
            Probabilistic(0.5),
        ),
    ] {
        assert_eq!(JaegerStrategy::parse(json.as_bytes()), Ok(strategy), "{json}");
    }
}

#[test]
fn a_malformed_strategy_is_rejected_with_the_name_of_its_field() {
    let rejected = |json: &str| JaegerStrategy::parse(json.as_bytes()).unwrap_err();
    for (json, field) in [
        (r#"{}"#, "probabilisticSampling"),
        (r#"[]"#, "probabilisticSampling"),
        (r#"{"probabilisticSampling":{"samplingRate":1.5}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":-1}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":"1.5"}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":"half"}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":" 1"}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":"NaN"}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":"Infinity"}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"samplingRate":true}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":{"sampling_rate":2}}"#, "samplingRate"),
        (r#"{"probabilisticSampling":0.5}"#, "probabilisticSampling"),
        (r#"{"probabilisticSampling":[]}"#, "probabilisticSampling"),
        (r#"{"probabilisticSampling":null}"#, "probabilisticSampling"),
        (r#"{"strategyType":"PROBABILISTIC"}"#, "probabilisticSampling"),
        (r#"{"strategyType":{},"probabilisticSampling":{}}"#, "strategyType"),
        (r#"{"strategyType":0.5,"probabilisticSampling":{}}"#, "strategyType"),
        (r#"{"rateLimitingSampling":{"maxTracesPerSecond":-1}}"#, "maxTracesPerSecond"),
        (r#"{"rateLimitingSampling":{"maxTracesPerSecond":1e300}}"#, "maxTracesPerSecond"),
        (r#"{"rateLimitingSampling":{"maxTracesPerSecond":"2147483648"}}"#, "maxTracesPerSecond"),
        (r#"{"operationSampling":7}"#, "operationSampling"),
        (r#"{"operationSampling":{"perOperationStrategies":[null]}}"#, "perOperationStrategies"),
        (
            r#"{"operationSampling":{"defaultSamplingProbability":1,"perOperationStrategies":7}}"#,
            "perOperationStrategies",
        ),
        (r#"{"operationSampling":{"perOperationStrategies":[{"operation":7}]}}"#, "operation"),
    ] {
        let error = rejected(json);
        assert!(
            matches!(error, JaegerStrategyError::Field { field: f, .. } if f == field),
            "{error}"
        );
    }
    for json in ["", "not json", "{", &"[".repeat(100_000), "{\"a\":1e999999}x"] {
        assert!(matches!(rejected(json), JaegerStrategyError::Json(_)), "{:.20}", json);
    }
    let entry = r#"{"operation":"x","probabilisticSampling":{"samplingRate":1}}"#;
    let many = vec![entry; 2_001].join(",");
    let json = format!(
        r#"{{"operationSampling":{{"defaultSamplingProbability":1,"perOperationStrategies":[{many}]}}}}"#
    );
    assert_eq!(rejected(&json), JaegerStrategyError::TooManyOperations(2_001));
}

#[test]
fn operations_have_their_own_probability_and_a_lower_bound() {
    let remote = JaegerRemote::new(Sampler::always_off());
    remote.apply(&JaegerStrategy::parse(PER_OPERATION.as_bytes()).unwrap());
    let sampler = Sampler::from(remote);
    for (name, low, high) in [
        ("GET /always", 980.0, 1020.0),
        // Two traces per second that the probability alone would not sample.
        ("GET /never", 1.9, 2.3),
        ("GET /else", 95.0, 105.0),
    ] {
        let context = Virtual::new();
        let series =
            drive(&sampler, &context, Arrivals::new(Shape::Steady(1000.0), 40.0, 1), || name);
        let sampled = series.rate(2.0, 40.0);
        assert!((low..=high).contains(&sampled), "{name}: {sampled}");
        assert!(name != "GET /always" || series.sampled == series.arrived);
    }
}

/// The number of sampled traces of ten offered at each of `seconds`, after applying a new strategy.
fn sampled_with_updates(
    seconds: impl Iterator<Item = f64>,
    name: &str,
    mut strategy: impl FnMut(u32) -> JaegerStrategy,
) -> Vec<u32> {
    let remote = JaegerRemote::new(Sampler::always_off());
    let (sampler, context) = (Sampler::from(remote.clone()), Virtual::new());
    let updates = seconds.zip(0..).map(|(second, update)| {
        context.set_seconds(second);
        remote.apply(&strategy(update));
        (0..10)
            .map(|_| {
                u32::from(
                    sampler.should_sample(&SamplingParameters::root(0, name, &context)).sampled,
                )
            })
            .sum()
    });
    updates.collect()
}

#[test]
fn a_new_strategy_fills_no_bucket() {
    let bound = |lower_bound, default, operations: &[&str]| JaegerStrategy::PerOperation {
        default,
        lower_bound,
        operations: operations.iter().map(|name| ((*name).to_owned(), 0.0)).collect(),
    };
    let seconds = || (0..20).map(f64::from);
    let total = |sampled: Vec<u32>| sampled.iter().sum::<u32>();
    // One trace in a hundred seconds: twenty updates in twenty seconds sample only the first one.
    let other_probability = |n: u32| bound(0.01, f64::from(n) / 1e6, &["x"]);
    assert_eq!(total(sampled_with_updates(seconds(), "x", other_probability)), 1);
    let other_operations =
        |n: u32| bound(0.01, 0.0, if n.is_multiple_of(2) { &["x", "y"] } else { &["x"] });
    assert_eq!(total(sampled_with_updates(seconds(), "x", other_operations)), 1);
    let not_listed = |n: u32| bound(0.01, 0.0, if n.is_multiple_of(2) { &["y"] } else { &["z"] });
    assert_eq!(total(sampled_with_updates(seconds(), "x", not_listed)), 1);
    // Removed and restored: one trace of its own bucket, and one of the bucket of all others.
    let comes_and_goes = |n: u32| bound(0.01, 0.0, if n.is_multiple_of(2) { &["x"] } else { &[] });
    assert_eq!(total(sampled_with_updates(seconds(), "x", comes_and_goes)), 2);
    // Another kind of strategy in between, or none with a bound.
    let kinds = |n: u32| match n % 3 {
        0 => bound(0.01, 0.0, &["x"]),
        1 => JaegerStrategy::Probabilistic(0.0),
        _ => bound(0.0, 0.0, &["x"]),
    };
    assert_eq!(total(sampled_with_updates(seconds(), "x", kinds)), 1);
    let limits = |n: u32| match n % 2 {
        0 => JaegerStrategy::RateLimiting(1.0),
        _ => JaegerStrategy::RateLimiting(0.0),
    };
    // One per second, in the seconds in which the limit applies.
    assert_eq!(total(sampled_with_updates(seconds(), "x", limits)), 10);
    assert_eq!(total(sampled_with_updates((0..20).map(|_| 0.0), "x", limits)), 1);
}

#[test]
fn a_bucket_retains_its_permits_at_another_rate() {
    // The bucket was emptied at the old rate, and is still empty at the new one.
    let up = |n: u32| JaegerStrategy::RateLimiting(f64::from(n % 7 + 1));
    assert_eq!(sampled_with_updates((0..20).map(|_| 0.0), "x", up).iter().sum::<u32>(), 1);
    let bound = |n: u32| JaegerStrategy::PerOperation {
        default: 0.0,
        lower_bound: if n.is_multiple_of(2) { 0.01 } else { 0.0101 },
        operations: Vec::new(),
    };
    // No fraction of a permit is lost: an hour of updates each 7 s, each of which earns a fraction.
    let seconds = (0..514).map(|n| 7.0 * f64::from(n));
    let sampled: u32 = sampled_with_updates(seconds, "x", bound).iter().sum();
    assert!((33..=37).contains(&sampled), "{sampled}");
    // The new rate and its burst hold from there on.
    let remote = JaegerRemote::new(Sampler::always_off());
    let (sampler, context) = (Sampler::from(remote.clone()), Virtual::new());
    for (rate, seconds) in [(10.0, 10.0), (2_000.0, 5.0), (3.0, 20.0), (50_000.0, 3.0), (1.0, 20.0)]
    {
        remote.apply(&JaegerStrategy::RateLimiting(rate));
        let arrivals = Arrivals::new(Shape::Steady(1e5), seconds, 1);
        let series = drive(&sampler, &context, arrivals, || "x");
        let sampled = series.rate(1.0, seconds);
        assert!((sampled / rate - 1.0).abs() < 0.03, "{sampled} for {rate}");
        assert!(series.max_per_second() <= 2.05 * rate + 1.0, "{rate}");
    }
}

#[test]
fn a_span_sampled_by_the_lower_bound_has_no_threshold() {
    let remote = JaegerRemote::new(Sampler::always_off());
    remote.apply(&JaegerStrategy::PerOperation {
        default: 0.5,
        lower_bound: 1.0,
        operations: vec![],
    });
    let (sampler, context) = (Sampler::from(remote), Virtual::new());
    let mut random = SplitMix64::new(1);
    for _ in 0..1000 {
        let params = SamplingParameters::root(random.next_u64().into(), "x", &context);
        let decision = sampler.should_sample(&params);
        let by_threshold = params.randomness().value() >= 1 << 55;
        assert_eq!(
            matches!(decision.th, TraceStateUpdate::Write(_)),
            decision.sampled && by_threshold
        );
    }
}

#[test]
fn the_initial_sampler_decides_until_a_strategy_is_applied() {
    let remote = JaegerRemote::new(Sampler::always_on());
    let (sampler, context) = (Sampler::from(remote.clone()), Virtual::new());
    let keeps = || sampler.should_sample(&SamplingParameters::root(1, "x", &context)).sampled;
    assert!(keeps());
    remote.apply(&JaegerStrategy::Probabilistic(0.0));
    assert!(!keeps());
    remote.apply(&JaegerStrategy::RateLimiting(1.0));
    assert!(keeps() && !keeps());
    remote.apply(&JaegerStrategy::RateLimiting(0.0));
    assert!(!keeps());
}

#[test]
fn the_poller_fetches_at_once_then_at_the_interval_and_sooner_after_failures() {
    const SECOND: u64 = 1_000_000_000;
    let settings = JaegerSettings::default().with_interval(Duration::from_secs(60)).unwrap();
    let remote = JaegerRemote::new(Sampler::always_off());
    let mut poller = JaegerPoller::new(&settings, "my shop/é", remote, 1);
    assert_eq!(poller.url(), "http://localhost:5778/sampling?service=my%20shop%2F%C3%A9");
    assert_eq!(poller.due(), 0);
    let mut now = 100 * SECOND;
    let within = |poller: &JaegerPoller, now: u64, seconds: f64| {
        let wait = (poller.due() - now) as f64 / 1e9;
        assert!((0.9 * seconds..=1.1 * seconds).contains(&wait), "{wait} for {seconds}");
    };
    for seconds in [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        poller.failed(now);
        within(&poller, now, seconds);
        now = poller.due();
    }
    let body = br#"{"probabilisticSampling":{"samplingRate":1}}"#;
    assert_eq!(poller.answered(now, body), Ok(true));
    within(&poller, now, 60.0);
    // An equal strategy changes nothing, and rate limits retain their permits.
    assert_eq!(poller.answered(now, body), Ok(false));
    // A malformed response leaves the strategy, and the poller retries soon.
    assert!(poller.answered(now, b"{}").is_err());
    within(&poller, now, 2.0);
    assert_eq!(poller.strategy(), Some(&JaegerStrategy::Probabilistic(1.0)));
    // The end of time does not overflow.
    poller.failed(u64::MAX);
    assert_eq!(poller.due(), u64::MAX);
}
