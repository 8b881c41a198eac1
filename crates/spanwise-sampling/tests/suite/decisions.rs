//! The decisions of samplers, and the trace states that they write.

use crate::support;

use spanwise_sampling::{
    AlwaysRecord, AnnotatingSampler, Attributes, Parent, ParentBased, ParentThreshold, RuleBased,
    Sampler, SamplingParameters, SpanKind, SpanPredicate, Threshold, TraceIdRatioBased,
    TraceStateUpdate, Value,
};
use support::{Virtual, child};

fn th(text: &str) -> Threshold {
    Threshold::parse(text).unwrap()
}

fn half() -> Sampler {
    Sampler::probability(0.5).unwrap()
}

/// Whether the span is sampled, and its `ot` member.
fn outcome(
    sampler: &Sampler,
    params: &SamplingParameters<'_>,
    before: Option<&str>,
) -> (bool, String) {
    let decision = sampler.should_sample(params);
    let mut member = String::new();
    match decision.th {
        TraceStateUpdate::Pass => member.push_str(before.unwrap_or_default()),
        change => {
            change.write_member(params, &mut member);
        }
    }
    (decision.sampled, member)
}

#[track_caller]
fn check(
    sampler: &Sampler,
    id: u128,
    parent: Option<(bool, bool, Option<&str>)>,
    sampled: bool,
    member: &str,
) {
    let context = Virtual::new();
    let mut params = SamplingParameters::root(id, "GET /", &context);
    params.parent = parent.map(|(sampled, remote, ot)| Parent::new(sampled, remote, ot));
    let before = parent.and_then(|(_, _, ot)| ot);
    assert_eq!(
        outcome(sampler, &params, before),
        (sampled, member.to_owned()),
        "{sampler}, {parent:?}"
    );
}

/// Ids below and above a half.
const LOW: u128 = 0x7f_ffff_ffff_ffff;
const HIGH: u128 = 0x80_0000_0000_0000;

#[test]
fn a_root_has_the_threshold_of_its_sampler() {
    check(&Sampler::always_on(), 0, None, true, "");
    check(&Sampler::always_off(), u128::MAX, None, false, "");
    check(&half(), HIGH, None, true, "th:8");
    check(&half(), LOW, None, false, "");
    check(&Sampler::probability(1.0).unwrap(), 0, None, true, "th:0");
    // Only the low 56 bits are random.
    check(&half(), LOW | 0xff << 56, None, false, "");
}

#[test]
fn a_probability_sampler_ignores_the_parents_threshold() {
    // Explicit randomness replaces that of the id; other sub-keys stay.
    let parent = Some((true, true, Some("rv:ffffffffffffff;th:c;x:1")));
    check(&half(), 0, parent, true, "rv:ffffffffffffff;th:8;x:1");
    let parent = Some((true, true, Some("rv:00000000000000;th:c")));
    check(&half(), u128::MAX, parent, false, "rv:00000000000000");
    // A malformed member is ignored: the randomness is the id's. The decision replaces or removes
    // the member, since other readers might accept it.
    check(&half(), HIGH, Some((true, true, Some("th:$"))), true, "th:8");
    check(&half(), LOW, Some((true, true, Some("rv:xyz"))), false, "");
}

#[test]
fn always_on_erases_a_threshold_that_was_not_its_own() {
    check(&Sampler::always_on(), 0, Some((false, true, Some("th:c;x:1"))), true, "x:1");
    check(&Sampler::always_on(), 0, Some((true, true, None)), true, "");
    check(&Sampler::always_off(), 0, Some((true, true, Some("th:c"))), false, "");
}

#[test]
fn branches_without_a_sampler_follow_the_parent() {
    for root in
        [half(), Sampler::always_on(), Sampler::always_off(), Sampler::probability(1e-9).unwrap()]
    {
        for sampler in [root.clone().parent_based(), ParentThreshold::new(root).into()] {
            for remote in [true, false] {
                for id in [LOW, HIGH] {
                    // Without a threshold the flag decides, and no threshold is written.
                    check(&sampler, id, Some((true, remote, None)), true, "");
                    check(&sampler, id, Some((false, remote, None)), false, "");
                    check(&sampler, id, Some((true, remote, Some("x:1"))), true, "x:1");
                }
                // A threshold that agrees with the flag is propagated.
                check(&sampler, HIGH, Some((true, remote, Some("th:8"))), true, "th:8");
                check(&sampler, LOW, Some((false, remote, Some("th:8"))), false, "th:8");
                // A threshold that contradicts the flag is erased; the flag decides.
                check(&sampler, LOW, Some((true, remote, Some("th:8;x:1"))), true, "x:1");
                check(&sampler, HIGH, Some((false, remote, Some("th:8"))), false, "");
                // The threshold is compared with `rv`.
                let rv = "rv:ffffffffffffff;th:8";
                check(&sampler, LOW, Some((true, remote, Some(rv))), true, rv);
            }
        }
    }
}

#[test]
fn the_sampler_of_a_branch_decides() {
    let sampler =
        |branch: Sampler| Sampler::from(ParentBased::new(half()).with_remote_sampled(branch));
    let strict = Sampler::probability(0.25).unwrap();
    // Below a sampled parent both thresholds hold: the higher one is written.
    let top = 0xff_ffff_ffff_ffff;
    check(&sampler(strict.clone()), top, Some((true, true, Some("th:8"))), true, "th:c");
    check(&sampler(strict.clone()), HIGH, Some((true, true, Some("th:8"))), false, "");
    check(&sampler(half()), top, Some((true, true, Some("th:c"))), true, "th:c");
    check(&sampler(Sampler::always_on()), top, Some((true, true, Some("th:c"))), true, "th:c");
    check(&sampler(Sampler::always_off()), top, Some((true, true, Some("th:c"))), false, "");
    // The branch does not apply to local parents.
    check(&sampler(Sampler::always_off()), top, Some((true, false, None)), true, "");
    // Below a dropped parent the probability is unknown.
    let revived =
        Sampler::from(ParentBased::new(half()).with_remote_not_sampled(Sampler::always_on()));
    check(&revived, LOW, Some((false, true, Some("th:8;x:1"))), true, "x:1");
    // The probability of the older ratio sampler is unknown too.
    let ratio = TraceIdRatioBased::new(1.0).unwrap();
    check(&ratio.into(), 0, Some((true, true, Some("th:8"))), true, "");
}

#[test]
fn the_composite_samples_its_shares() {
    let sampler = Sampler::from(ParentBased::composite().unwrap());
    let context = Virtual::new();
    let mut random = spanwise_testkit::SplitMix64::new(3);
    let mut count = |parent: Option<Parent<'_>>| {
        let mut sampled = 0;
        for _ in 0..100_000 {
            let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let params =
                SamplingParameters { parent, ..SamplingParameters::root(id, "x", &context) };
            sampled += u32::from(sampler.should_sample(&params).sampled);
        }
        f64::from(sampled) / 1e5
    };
    assert!((count(None) - 0.1).abs() < 0.005);
    let parent = |sampled, remote| Some(Parent::new(sampled, remote, None));
    assert_eq!(count(parent(true, true)), 1.0);
    assert_eq!(count(parent(false, true)), 0.0);
    assert_eq!(count(parent(true, false)), 1.0);
    // Spans whose parent is dropped.
    assert!((count(parent(false, false)) - 0.01).abs() < 0.002);
}

#[test]
fn the_first_rule_that_matches_a_span_decides() {
    let sampler = Sampler::from(
        RuleBased::new()
            .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
            .with_rule(
                SpanPredicate::any().kind(SpanKind::Client).scope("db*"),
                Sampler::always_off(),
            )
            .with_rule(SpanPredicate::any().attribute("user.tier", "gold"), Sampler::always_on())
            .with_rule(SpanPredicate::any().attribute("retries", "3"), Sampler::always_on())
            .with_rule(SpanPredicate::any().root(false).name("a*b*c"), Sampler::always_on()),
    );
    let context = Virtual::new();
    let gold: &[(&str, Value<'_>)] = &[("user.tier", Value::Str("gold"))];
    let three: &[(&str, Value<'_>)] =
        &[("retries", Value::I64(3)), ("list", Value::Bools(&[true]))];
    let none: &[(&str, Value<'_>)] = &[];
    let root = |name, attributes| SamplingParameters {
        attributes,
        ..SamplingParameters::root(1, name, &context)
    };
    let keeps = |params: SamplingParameters<'_>| sampler.should_sample(&params).sampled;
    assert!(!keeps(root("GET /health", &gold as &dyn Attributes)));
    assert!(!keeps(root("GET /healthz", &gold)));
    assert!(keeps(root("GET /", &gold)));
    assert!(keeps(root("GET /", &three)));
    assert!(!keeps(SamplingParameters {
        kind: SpanKind::Client,
        scope: "db.pool",
        ..root("q", &gold)
    }));
    assert!(keeps(SamplingParameters {
        kind: SpanKind::Client,
        scope: "http",
        ..root("q", &gold)
    }));
    // Without a matching rule the span is dropped.
    assert!(!keeps(root("GET /", &none)));
    assert!(!keeps(root("axbxc", &none)));
    let below =
        |name| SamplingParameters { name, ..child(&context, 1, Parent::new(true, false, None)) };
    for (name, expected) in
        [("abc", true), ("axxbxxc", true), ("acb", false), ("ab", false), ("abcabc", true)]
    {
        assert_eq!(keeps(below(name)), expected, "{name}");
    }
    assert!(SpanPredicate::any().name("*").matches(&root("", &none)));
    assert!(SpanPredicate::any().name("").matches(&root("", &none)));
    assert!(!SpanPredicate::any().name("a*a").matches(&root("a", &none)));
}

#[test]
fn annotations_come_from_all_samplers_that_decided() {
    let inner =
        AnnotatingSampler::new(half()).with_attribute("rule", "checkout").with_attribute("n", 7);
    let outer = AnnotatingSampler::new(inner)
        .with_attribute("sampled.by", "us")
        .with_member("vendor", "x1");
    let sampler = Sampler::from(outer);
    let context = Virtual::new();
    let decision = sampler.should_sample(&SamplingParameters::root(HIGH, "x", &context));
    let attributes: Vec<_> = decision.annotations.attributes().collect();
    let expected =
        [("rule", Value::Str("checkout")), ("n", Value::I64(7)), ("sampled.by", Value::Str("us"))];
    assert_eq!(format!("{attributes:?}"), format!("{expected:?}"));
    assert_eq!(decision.annotations.members().collect::<Vec<_>>(), [("vendor", "x1")]);
    assert_eq!(decision.th, TraceStateUpdate::Write(th("8")));
    // A dropped span has no annotations.
    assert!(
        sampler.should_sample(&SamplingParameters::root(LOW, "x", &context)).annotations.is_empty()
    );
}

#[test]
fn always_record_records_dropped_spans() {
    let sampler = Sampler::from(AlwaysRecord::new(half()));
    let context = Virtual::new();
    for (id, sampled) in [(LOW, false), (HIGH, true)] {
        let decision = sampler.should_sample(&SamplingParameters::root(id, "x", &context));
        assert_eq!((decision.sampled, decision.recorded), (sampled, true));
    }
}

#[test]
fn descriptions_name_the_settings() {
    let rules = RuleBased::new().with_rule(SpanPredicate::any(), half());
    for (sampler, text) in [
        (Sampler::default(), "ParentBased{root=AlwaysOnSampler}"),
        (half(), "ProbabilitySampler{0.5}"),
        (TraceIdRatioBased::new(0.5).unwrap().into(), "TraceIdRatioBased{0.5}"),
        (rules.into(), "RuleBased{ProbabilitySampler{0.5}}"),
        (AlwaysRecord::new(half()).into(), "AlwaysRecord{ProbabilitySampler{0.5}}"),
        (
            ParentBased::new(half()).with_local_not_sampled(Sampler::always_off()).into(),
            "ParentBased{root=ProbabilitySampler{0.5},localParentNotSampled=AlwaysOffSampler}",
        ),
    ] {
        assert_eq!(sampler.to_string(), text);
    }
}

#[test]
fn different_probabilities_have_different_descriptions() {
    let mut read: Vec<String> = Vec::new();
    for probability in
        [1.0, 0.999, 0.5, 0.1, 0.101, 1e-6, 1e-7, 2e-7, 2.001e-7, 1e-12, 1.3877787807814457e-17]
    {
        let sampler = Sampler::probability(probability).unwrap();
        let text = sampler.to_string();
        let number = text.strip_prefix("ProbabilitySampler{").and_then(|it| it.strip_suffix('}'));
        let number: f64 = number.unwrap().parse().unwrap();
        // The number is the given one, and a sampler built from it samples the same traces.
        assert!((number / probability - 1.0).abs() < 1e-3 || number < 1e-16, "{text}");
        let made = Threshold::from_probability(number).unwrap();
        assert_eq!(made, Threshold::from_probability(probability).unwrap(), "{text}");
        read.push(text);
        read.push(TraceIdRatioBased::new(probability).map(Sampler::from).unwrap().to_string());
        let mut all = read.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), read.len(), "{read:?}");
    }
    assert_eq!(Sampler::probability(0.1).unwrap().to_string(), "ProbabilitySampler{0.1}");
    assert_eq!(Sampler::probability(2e-7).unwrap().to_string(), "ProbabilitySampler{0.0000002}");
}

#[test]
fn a_malformed_member_is_reported() {
    let context = Virtual::new();
    let params = |ot| child(&context, 1, Parent::new(true, true, Some(ot)));
    let long = "x".repeat(300);
    for (ot, malformed) in [("th:8", false), ("th:$", true), ("", true), (&*long, true)] {
        assert_eq!(Sampler::default().should_sample(&params(ot)).malformed, malformed, "{ot}");
    }
}

#[test]
fn assumed_randomness_is_reported() {
    let context = Virtual::new();
    let assumed = |sampler: &Sampler, random, ot| {
        let parent = Parent::new(true, true, ot).with_random(random);
        sampler.should_sample(&child(&context, HIGH, parent)).randomness_assumed
    };
    assert!(assumed(&half(), false, None));
    assert!(assumed(&half(), false, Some("th:c")));
    // The parent has the random flag or `rv`, or the decision needs no randomness.
    assert!(!assumed(&half(), true, None));
    assert!(!assumed(&half(), false, Some("rv:ffffffffffffff")));
    assert!(!assumed(&Sampler::default(), false, Some("th:8")));
    assert!(!assumed(&Sampler::always_on(), false, None));
    assert!(!half().should_sample(&SamplingParameters::root(1, "x", &context)).randomness_assumed);
}
