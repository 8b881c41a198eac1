//! Who decides what, and what is written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

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

/// Kept or not, and the `ot` member that the new span has.
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
    kept: bool,
    member: &str,
) {
    let host = Virtual::new();
    let mut params = SamplingParameters::root(id, "GET /", &host);
    params.parent = parent.map(|(sampled, remote, ot)| Parent::new(sampled, remote, ot));
    let before = parent.and_then(|(_, _, ot)| ot);
    assert_eq!(
        outcome(sampler, &params, before),
        (kept, member.to_owned()),
        "{sampler}, {parent:?}"
    );
}

/// Ids below and above a half.
const LOW: u128 = 0x7f_ffff_ffff_ffff;
const HIGH: u128 = 0x80_0000_0000_0000;

#[test]
fn roots() {
    check(&Sampler::always_on(), 0, None, true, "");
    check(&Sampler::always_off(), u128::MAX, None, false, "");
    check(&half(), HIGH, None, true, "th:8");
    check(&half(), LOW, None, false, "");
    check(&Sampler::probability(1.0).unwrap(), 0, None, true, "th:0");
    // Only the low 56 bits are random.
    check(&half(), LOW | 0xff << 56, None, false, "");
}

#[test]
fn a_probability_stands_by_itself_below_a_parent() {
    // Explicit randomness stands above the id; other sub-keys stay.
    let told = Some((true, true, Some("rv:ffffffffffffff;th:c;x:1")));
    check(&half(), 0, told, true, "rv:ffffffffffffff;th:8;x:1");
    let told = Some((true, true, Some("rv:00000000000000;th:c")));
    check(&half(), u128::MAX, told, false, "rv:00000000000000");
    // What cannot be read is not believed: chance is the id's, and the member is replaced, or
    // taken out, for others might read it.
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
fn the_five_branches_follow_the_parent_and_tear_no_trace() {
    for root in
        [half(), Sampler::always_on(), Sampler::always_off(), Sampler::probability(1e-9).unwrap()]
    {
        for sampler in [root.clone().parent_based(), ParentThreshold::new(root).into()] {
            for remote in [true, false] {
                for id in [LOW, HIGH] {
                    // No threshold known: as the flag says, and nothing is made up.
                    check(&sampler, id, Some((true, remote, None)), true, "");
                    check(&sampler, id, Some((false, remote, None)), false, "");
                    check(&sampler, id, Some((true, remote, Some("x:1"))), true, "x:1");
                }
                // A threshold that agrees with the flag goes on.
                check(&sampler, HIGH, Some((true, remote, Some("th:8"))), true, "th:8");
                check(&sampler, LOW, Some((false, remote, Some("th:8"))), false, "th:8");
                // One that contradicts it goes; the flag stands.
                check(&sampler, LOW, Some((true, remote, Some("th:8;x:1"))), true, "x:1");
                check(&sampler, HIGH, Some((false, remote, Some("th:8"))), false, "");
                // `rv` is what it is compared with.
                let rv = "rv:ffffffffffffff;th:8";
                check(&sampler, LOW, Some((true, remote, Some(rv))), true, rv);
            }
        }
    }
}

#[test]
fn a_branch_of_its_own_is_asked() {
    let sampler =
        |branch: Sampler| Sampler::from(ParentBased::new(half()).with_remote_sampled(branch));
    let strict = Sampler::probability(0.25).unwrap();
    // Below a kept parent both thresholds hold: the sharper one is written.
    let top = 0xff_ffff_ffff_ffff;
    check(&sampler(strict.clone()), top, Some((true, true, Some("th:8"))), true, "th:c");
    check(&sampler(strict.clone()), HIGH, Some((true, true, Some("th:8"))), false, "");
    check(&sampler(half()), top, Some((true, true, Some("th:c"))), true, "th:c");
    check(&sampler(Sampler::always_on()), top, Some((true, true, Some("th:c"))), true, "th:c");
    check(&sampler(Sampler::always_off()), top, Some((true, true, Some("th:c"))), false, "");
    // Local parents are not its business.
    check(&sampler(Sampler::always_off()), top, Some((true, false, None)), true, "");
    // Below a dropped parent nobody knows the probability.
    let revived =
        Sampler::from(ParentBased::new(half()).with_remote_not_sampled(Sampler::always_on()));
    check(&revived, LOW, Some((false, true, Some("th:8;x:1"))), true, "x:1");
    // The legacy ratio does not know it either.
    let ratio = TraceIdRatioBased::new(1.0).unwrap();
    check(&ratio.into(), 0, Some((true, true, Some("th:8"))), true, "");
}

#[test]
fn the_composite_keeps_its_shares() {
    let sampler = Sampler::from(ParentBased::composite().unwrap());
    let host = Virtual::new();
    let mut dice = spanwise_testkit::SplitMix64::new(3);
    let mut count = |parent: Option<Parent<'_>>| {
        let mut kept = 0;
        for _ in 0..100_000 {
            let id = u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64());
            let params = SamplingParameters { parent, ..SamplingParameters::root(id, "x", &host) };
            kept += u32::from(sampler.should_sample(&params).sampled);
        }
        f64::from(kept) / 1e5
    };
    assert!((count(None) - 0.1).abs() < 0.005);
    let parent = |sampled, remote| Some(Parent::new(sampled, remote, None));
    assert_eq!(count(parent(true, true)), 1.0);
    assert_eq!(count(parent(false, true)), 0.0);
    assert_eq!(count(parent(true, false)), 1.0);
    // The orphans.
    assert!((count(parent(false, false)) - 0.01).abs() < 0.002);
}

#[test]
fn the_first_rule_that_matches_decides() {
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
    let host = Virtual::new();
    let gold: &[(&str, Value<'_>)] = &[("user.tier", Value::Str("gold"))];
    let three: &[(&str, Value<'_>)] =
        &[("retries", Value::I64(3)), ("list", Value::Bools(&[true]))];
    let none: &[(&str, Value<'_>)] = &[];
    let root = |name, attributes| SamplingParameters {
        attributes,
        ..SamplingParameters::root(1, name, &host)
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
    // Nothing matches: dropped.
    assert!(!keeps(root("GET /", &none)));
    assert!(!keeps(root("axbxc", &none)));
    let below =
        |name| SamplingParameters { name, ..child(&host, 1, Parent::new(true, false, None)) };
    for (name, kept) in
        [("abc", true), ("axxbxxc", true), ("acb", false), ("ab", false), ("abcabc", true)]
    {
        assert_eq!(keeps(below(name)), kept, "{name}");
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
    let host = Virtual::new();
    let decision = sampler.should_sample(&SamplingParameters::root(HIGH, "x", &host));
    let attributes: Vec<_> = decision.annotations.attributes().collect();
    let expected =
        [("rule", Value::Str("checkout")), ("n", Value::I64(7)), ("sampled.by", Value::Str("us"))];
    assert_eq!(format!("{attributes:?}"), format!("{expected:?}"));
    assert_eq!(decision.annotations.members().collect::<Vec<_>>(), [("vendor", "x1")]);
    assert_eq!(decision.th, TraceStateUpdate::Write(th("8")));
    // A span that is dropped gets nothing.
    assert!(
        sampler.should_sample(&SamplingParameters::root(LOW, "x", &host)).annotations.is_empty()
    );
}

#[test]
fn always_record_records_what_is_dropped() {
    let sampler = Sampler::from(AlwaysRecord::new(half()));
    let host = Virtual::new();
    for (id, sampled) in [(LOW, false), (HIGH, true)] {
        let decision = sampler.should_sample(&SamplingParameters::root(id, "x", &host));
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
fn different_probabilities_read_differently() {
    let mut read: Vec<String> = Vec::new();
    for probability in
        [1.0, 0.999, 0.5, 0.1, 0.101, 1e-6, 1e-7, 2e-7, 2.001e-7, 1e-12, 1.3877787807814457e-17]
    {
        let sampler = Sampler::probability(probability).unwrap();
        let text = sampler.to_string();
        let number = text.strip_prefix("ProbabilitySampler{").and_then(|it| it.strip_suffix('}'));
        let number: f64 = number.unwrap().parse().unwrap();
        // As it was given, and a sampler made of what is read keeps the same traces.
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
fn what_cannot_be_read_is_reported() {
    let host = Virtual::new();
    let params = |ot| child(&host, 1, Parent::new(true, true, Some(ot)));
    let long = "x".repeat(300);
    for (ot, malformed) in [("th:8", false), ("th:$", true), ("", true), (&*long, true)] {
        assert_eq!(Sampler::default().should_sample(&params(ot)).malformed, malformed, "{ot}");
    }
}

#[test]
fn a_ratio_of_ids_that_nobody_says_are_random_is_reported() {
    let host = Virtual::new();
    let assumed = |sampler: &Sampler, random, ot| {
        let parent = Parent::new(true, true, ot).with_random(random);
        sampler.should_sample(&child(&host, HIGH, parent)).randomness_assumed
    };
    assert!(assumed(&half(), false, None));
    assert!(assumed(&half(), false, Some("th:c")));
    // Said to be random, brought along, or not needed.
    assert!(!assumed(&half(), true, None));
    assert!(!assumed(&half(), false, Some("rv:ffffffffffffff")));
    assert!(!assumed(&Sampler::default(), false, Some("th:8")));
    assert!(!assumed(&Sampler::always_on(), false, None));
    assert!(!half().should_sample(&SamplingParameters::root(1, "x", &host)).randomness_assumed);
}
