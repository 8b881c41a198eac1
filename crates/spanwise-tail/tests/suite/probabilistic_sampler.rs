//! The processor `probabilistic_sampler`: its decisions, the trace states that it writes, and its configuration.

use crate::support;

use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use spanwise_config::Document;
use spanwise_tail::{ProbabilisticSampler, ProbabilisticSamplerConfig, SamplerMode};
use support::*;

use SamplerMode::{Equalizing, HashSeed, Proportional};

fn settings(mode: SamplerMode, percentage: f32) -> ProbabilisticSamplerConfig {
    ProbabilisticSamplerConfig::default().with_mode(mode).with_sampling_percentage(percentage)
}

fn sample(config: &ProbabilisticSamplerConfig, request: &[u8]) -> Vec<u8> {
    let mut sampler = ProbabilisticSampler::new(config).unwrap();
    let mut out = Vec::new();
    let spans = sampler.sample(request, &mut out).unwrap();
    let counts = sampler.counts();
    assert!(counts.is_balanced(), "{counts:?}");
    assert_eq!(counts.sampled_spans(), spans);
    out
}

fn spans(request: &[u8]) -> Vec<Span> {
    let resources = decode(request).resource_spans.into_iter();
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

/// The trace state after sampling; `None` if the span was dropped.
fn state(config: &ProbabilisticSamplerConfig, span: Span) -> Option<String> {
    spans(&sample(config, &request(vec![span]))).pop().map(|span| span.trace_state)
}

/// A span with this randomness of its trace id, and this trace state.
fn random_span(randomness: u128, trace_state: &str) -> Span {
    Span { trace_state: trace_state.to_owned(), ..span(7 << 100 | randomness, 1) }
}

const HIGH: u128 = 0xff_ffff_ffff_ffff;
const MIDDLE: u128 = 0x80_0000_0000_0000;

#[test]
fn consistent_modes_compose_thresholds() {
    // Mode, percentage, randomness of the trace id, trace state before and after.
    for (mode, percentage, randomness, before, after) in [
        (Equalizing, 100.0, 0, "", Some("ot=th:0")),
        (Equalizing, 50.0, MIDDLE, "", Some("ot=th:8")),
        (Equalizing, 50.0, MIDDLE - 1, "", None),
        (Equalizing, 25.0, HIGH, "a=b,ot=th:8;x:1", Some("ot=th:c;x:1,a=b")),
        (Equalizing, 50.0, HIGH, "ot=th:c", Some("ot=th:c")),
        (Equalizing, 1.0, HIGH, "", Some("ot=th:fd70a")),
        (Equalizing, 0.0, HIGH, "", None),
        (Equalizing, 150.0, 0, "", Some("ot=th:0")),
        (Proportional, 50.0, HIGH, "", Some("ot=th:8")),
        (Proportional, 50.0, HIGH, "ot=th:8", Some("ot=th:c")),
        (Proportional, 12.5, HIGH, "ot=th:8", Some("ot=th:f")),
        (Proportional, 100.0, HIGH, "ot=th:8", Some("ot=th:8")),
        (Proportional, 6.25, HIGH, "ot=th:0", Some("ot=th:f")),
        // Below the least probability.
        (Proportional, 50.0, HIGH, "ot=th:ffffffffffffff", None),
        (Proportional, 50.0, MIDDLE, "ot=th:4", None),
        // Explicit randomness counts.
        (Equalizing, 50.0, 0, "ot=rv:80000000000000", Some("ot=rv:80000000000000;th:8")),
        (Equalizing, 50.0, HIGH, "ot=rv:7fffffffffffff", None),
    ] {
        let state = state(&settings(mode, percentage), random_span(randomness, before));
        assert_eq!(state.as_deref(), after, "{mode:?} {percentage} {before}");
    }
}

#[test]
fn the_precision_is_configurable() {
    for (digits, th) in [(3, "aab"), (4, "aaab"), (5, "aaaab")] {
        let config = settings(Equalizing, 100.0 / 3.0).with_sampling_precision(digits);
        let state = state(&config, random_span(HIGH, "")).unwrap();
        assert_eq!(state, format!("ot=th:{th}"));
    }
}

#[test]
fn errors_are_sampled_only_if_it_fails_open() {
    let empty_id = Span { trace_id: vec![0; 16], ..span(1, 1) };
    let rv = "ot=rv:80000000000000";
    for (mode, span, open) in [
        // Malformed: the trace state stays.
        (Equalizing, random_span(0, "ot=th:x"), "ot=th:x"),
        (HashSeed, random_span(0, "ot=th:x"), "ot=th:x"),
        // The randomness contradicts the threshold.
        (Equalizing, random_span(MIDDLE, "ot=th:c"), "ot=th:0"),
        (Proportional, random_span(MIDDLE, "ot=th:c;x:1"), "ot=th:0;x:1"),
        (Equalizing, empty_id.clone(), "ot=th:0"),
        // `hash_seed` neither respects nor changes what another sampler wrote.
        (HashSeed, random_span(0, rv), rv),
        (HashSeed, random_span(0, "ot=th:0"), "ot=th:0"),
    ] {
        let config = settings(mode, 100.0);
        assert_eq!(state(&config, span.clone()), None, "{mode:?} {}", span.trace_state);
        let state = state(&config.with_fail_closed(false), span);
        assert_eq!(state.as_deref(), Some(open), "{mode:?}");
    }
    assert_eq!(state(&settings(HashSeed, 100.0), empty_id), None);
}

#[test]
fn the_attribute_sampling_priority_outweighs_the_percentage() {
    let with_priority = |value: Any| with(random_span(0, ""), "sampling.priority", value);
    let never = settings(Equalizing, 1.0);
    for value in [Any::from(1i64), Any::from(0.5), Any::from("2"), Any::from("1e3")] {
        assert_eq!(state(&never, with_priority(value)).as_deref(), Some("ot=th:0"));
    }
    let all = settings(Equalizing, 100.0);
    for value in [Any::from(0i64), Any::from(0.0), Any::from("0")] {
        assert_eq!(state(&all, with_priority(value)), None);
    }
    // Neither: the percentage decides.
    for value in [Any::from(-1i64), Any::from("high"), Any::from(true), Any::from("NaN")] {
        assert!(state(&all, with_priority(value)).is_some());
    }
    // A stricter threshold stays, also of a span that has to be sampled.
    let span = Span { trace_state: "ot=th:8".to_owned(), ..with_priority(Any::from(1i64)) };
    let span = Span { trace_id: (7u128 << 100 | HIGH).to_be_bytes().to_vec(), ..span };
    assert_eq!(state(&never, span).as_deref(), Some("ot=th:8"));
}

/// FNV-1a with 32 bits over the seed and the id, and the Collector's order of its bits.
fn hash(trace_id: u128, seed: u32) -> (u32, String) {
    let mut hash = 2_166_136_261u32;
    for byte in seed.to_le_bytes().into_iter().chain(trace_id.to_be_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    }
    let bucket = hash % 16_384;
    let high = u64::from(hash / 262_144);
    let rv = u64::from(16_383 - bucket) * (1 << 42)
        + (high ^ (high * 1_024)) * 16_384
        + u64::from(bucket);
    (bucket, format!("{rv:014x}"))
}

#[test]
fn hash_seed_decides_by_buckets_of_a_hash() {
    for seed in [0, 22, u32::MAX] {
        for (percentage, buckets, th) in [
            (50.0f32, 8_192u32, "8"),
            (12.5, 2_048, "e"),
            (99.99, 16_382, "0008"),
            (0.01, 1, "fffc"),
            (100.0, 16_384, "0"),
        ] {
            let config = settings(HashSeed, percentage).with_hash_seed(seed);
            for index in 0..2_000u128 {
                let trace = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                let (bucket, rv) = hash(trace, seed);
                let expected = (bucket < buckets).then(|| format!("ot=rv:{rv};th:{th},a=b"));
                let span = Span { trace_state: "a=b".to_owned(), ..span(trace, 1) };
                assert_eq!(state(&config, span), expected, "{percentage} {trace:x}");
            }
        }
    }
    // Less than one bucket.
    assert_eq!(state(&settings(HashSeed, 0.005), span(1, 1)), None);
}

#[test]
fn adjusted_counts_are_unbiased() {
    // SplitMix64.
    let mut seed = 9u64;
    let mut random = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u128::from(z ^ (z >> 31))
    };
    let all: Vec<Span> = (0..20_000).map(|_| span(random() << 64 | random(), 1)).collect();
    let all = request(all);
    let count = |request: &[u8]| -> f64 {
        let adjusted = |span: &Span| {
            let digits = span.trace_state.strip_prefix("ot=th:").expect("a threshold alone");
            let th = u64::from_str_radix(&format!("{digits:0<14}"), 16).unwrap();
            (1u64 << 56) as f64 / ((1u64 << 56) - th) as f64
        };
        spans(request).iter().map(adjusted).sum()
    };
    let head = sample(&settings(Equalizing, 50.0), &all);
    let tail = sample(&settings(Proportional, 20.0), &head);
    let same = sample(&settings(Equalizing, 10.0), &all);
    assert!(spans(&tail).len().abs_diff(2_000) < 200, "{}", spans(&tail).len());
    // 2,000 of 20,000: a standard deviation of 2.1 %.
    for sampled in [&head, &tail, &same] {
        let count = count(sampled);
        assert!((count - 20_000.0).abs() < 1_400.0, "{count}");
    }
    assert_eq!(spans(&tail), spans(&same));
}

#[test]
fn groups_without_a_sampled_span_are_left_out() {
    let resources = |high: bool| {
        let low = || ("none", vec![random_span(1, "")]);
        let some = || ("some", vec![random_span(2, ""), random_span(HIGH, "")]);
        let resource = |name: &str, scopes| resource_spans(vec![attribute("name", name)], scopes);
        let mut all = vec![resource("a", vec![low(), some()]), resource("b", vec![low()])];
        if high {
            all.truncate(1);
            all[0].scope_spans.remove(0);
            all[0].scope_spans[0].spans =
                vec![Span { trace_state: "ot=th:8".to_owned(), ..random_span(HIGH, "") }];
        }
        encode(all)
    };
    assert_eq!(
        decode(&sample(&settings(Equalizing, 50.0), &resources(false))),
        decode(&resources(true))
    );
    assert!(sample(&settings(Equalizing, 0.0), &resources(false)).is_empty());
}

#[test]
fn a_malformed_request_is_refused_as_a_whole() {
    let mut sampler = ProbabilisticSampler::new(&settings(Equalizing, 100.0)).unwrap();
    let mut out = vec![1];
    let valid = request(vec![span(1, 1)]);
    assert!(sampler.sample(&[&valid[..], &[0x0a, 9]].concat(), &mut out).is_err());
    assert_eq!((sampler.counts().received_spans, &out[..]), (0, &[1][..]));
    // A span that is malformed inside: resource_spans { scope_spans { spans { a length without bytes } } }
    assert_eq!(sampler.sample(&[10, 6, 18, 4, 18, 2, 0x2a, 9], &mut out), Ok(0));
    assert_eq!(sampler.counts().malformed_spans, 1);
    assert!(sampler.counts().is_balanced());
}

proptest! {
    #[test]
    fn hostile_bytes_cause_no_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        mode in prop::sample::select(vec![HashSeed, Proportional, Equalizing]),
    ) {
        let state = "a=c,ot=rv:80000000000000;th:8";
        let span = with(random_span(5, state), "sampling.priority", "x");
        let mut bytes = request(vec![span; 3]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let config = settings(mode, 60.0).with_fail_closed(false);
        let mut sampler = ProbabilisticSampler::new(&config).unwrap();
        let mut out = Vec::new();
        if let Ok(sampled) = sampler.sample(&bytes, &mut out) {
            prop_assert!(sampler.counts().is_balanced());
            prop_assert_eq!(spanwise_wire::read::TraceRequest::new(&out).count_spans(), Ok(sampled));
        }
    }
}

fn load(text: &str) -> Result<(ProbabilisticSamplerConfig, Vec<String>), String> {
    let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    let read = ProbabilisticSamplerConfig::from_document(&document, None)
        .map_err(|error| error.to_string())?;
    Ok((read.value, read.warnings.iter().map(ToString::to_string).collect()))
}

#[test]
fn the_collectors_block_loads() {
    let file = "
receivers: {nop: }
processors:
  probabilistic_sampler:
    mode: proportional
    sampling_percentage: 15.3
    hash_seed: 22
    sampling_precision: 6
    fail_closed: false
  batch:
";
    let expected = settings(Proportional, 15.3)
        .with_hash_seed(22)
        .with_sampling_precision(6)
        .with_fail_closed(false);
    assert_eq!(load(file), Ok((expected, vec![])));
    assert_eq!(load("probabilistic_sampler:"), Ok((settings(HashSeed, 0.0), vec![])));
    assert_eq!(load("probabilistic_sampler: {mode: \"\"}"), Ok((settings(HashSeed, 0.0), vec![])));
    let (config, warnings) =
        load("probabilistic_sampler: {sampling_percentage: 7, from_attribute: foo}").unwrap();
    assert_eq!(config, settings(HashSeed, 7.0));
    assert_eq!(
        warnings,
        [
            "c.yaml:1:65: probabilistic_sampler.from_attribute: the setting has no effect: it is for logs"
        ]
    );
}

#[test]
fn mistakes_are_reported_with_their_place() {
    for (block, message) in [
        ("{sampling_percentage: -5}", "-5.0 is no percentage"),
        ("{sampling_percentage: 0.0000000000000001}", "is too small"),
        ("{sampling_percentage: .inf}", "inf is no percentage"),
        ("{sampling_percentage: .nan}", "sampling_percentage"),
        ("{sampling_precision: 0}", "0 is out of range; accepted is 1 to 14"),
        ("{sampling_precision: 15}", "15 is out of range; accepted is 1 to 14"),
        ("{hash_seed: -1}", "hash_seed"),
        ("{mode: percentage}", "is not known"),
        ("{sampling_percent: 5}", "unknown key; did you mean `sampling_percentage`?"),
    ] {
        let error = load(&format!("probabilistic_sampler: {block}")).unwrap_err();
        assert!(error.starts_with("c.yaml:1:") && error.contains(message), "{block}: {error}");
    }
}
