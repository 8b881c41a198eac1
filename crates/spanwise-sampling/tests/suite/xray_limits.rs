//! X-Ray's reservoirs, quotas and rates.

use crate::xray;

use spanwise_sampling::{SamplingParameters, TraceStateUpdate};
use spanwise_testkit::SplitMix64;
use xray::{Fixture, SECOND, records, rule, target};

#[test]
fn one_trace_per_second_and_five_percent_are_sampled_without_rules() {
    let fixture = Fixture::new();
    let sampled = fixture.rate(1000.0);
    assert!((48.0..=54.0).contains(&sampled), "{sampled}");
    // One of ten, and a twentieth of the other nine.
    let sampled = fixture.rate(10.0);
    assert!((1.1..=1.8).contains(&sampled), "{sampled}");
}

#[test]
fn a_rule_borrows_one_trace_per_second_while_it_has_no_quota() {
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    let around = |rate: f64, expected: f64| assert!((rate - expected).abs() <= 0.1, "{rate}");
    around(fixture.rate(1000.0), 1.0);
    let until = fixture.unix() + 60;
    let report = fixture.report(&target(&format!(
        r#""FixedRate": 0.0, "ReservoirQuota": 20, "ReservoirQuotaTTL": {until}.0"#
    )));
    assert!(report.contains(r#""RequestCount":40"#), "{report}");
    around(fixture.rate(1000.0), 20.0);
    // The quota has expired: the rule borrows again.
    fixture.now = 59 * SECOND;
    fixture.request();
    around(fixture.rate(1000.0), 20.0);
    fixture.now = 63 * SECOND;
    fixture.request();
    around(fixture.rate(1000.0), 1.0);
}

#[test]
fn a_redefined_rule_retains_its_reservoir_quota_and_counts() {
    // A rule may borrow one trace per second: twenty definitions in one second borrow it once.
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    let mut sampled = 0;
    for definition in 0..20 {
        fixture.wait_for_rules();
        let path = format!(r#""URLPath": "/{definition}*""#);
        let defined = rule("all", 1 + definition, 0.0, 50 + definition, "");
        let others = rule("other", 99, 0.0, 0, &path);
        assert_eq!(fixture.answered(&records(&[defined, others])), Ok(true));
        sampled += (0..10).filter(|_| fixture.keeps(&[])).count();
    }
    assert_eq!(sampled, 1);
    // The rule retains its quota too, and a changed rate applies at once.
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    assert!(fixture.keeps(&[]));
    let until = fixture.unix() + 100_000;
    fixture.report(&target(&format!(
        r#""FixedRate": 0.0, "ReservoirQuota": 20, "ReservoirQuotaTTL": {until}.0, "Interval": 600"#
    )));
    assert!((fixture.rate(1000.0) - 20.0).abs() <= 0.1);
    fixture.wait_for_rules();
    assert_eq!(fixture.answered(&records(&[rule("all", 1, 0.5, 50, "")])), Ok(true));
    let sampled = fixture.rate(1000.0);
    assert!((500.0..=530.0).contains(&sampled), "{sampled}");
    fixture.now += 700 * SECOND;
    assert_eq!(fixture.request().unwrap().path, "/GetSamplingRules");
    fixture.poller.failed(fixture.now);
    let report = fixture.request().unwrap();
    // One report has the counts under both definitions: twice forty seconds.
    let (_, count) = report.body.split_once(r#""RequestCount":"#).unwrap();
    let count: u32 = count.split(',').next().unwrap().parse().unwrap();
    assert!((78_000..=82_000).contains(&count), "{}", report.body);
}

#[test]
fn an_expired_quota_is_ignored_and_a_quota_of_zero_applies() {
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    assert!(fixture.keeps(&[]) && !fixture.keeps(&[]));
    fixture.report(&target(r#""ReservoirQuota": 20, "ReservoirQuotaTTL": 1"#));
    fixture.context.set_seconds(1.0);
    assert!(fixture.keeps(&[]) && !fixture.keeps(&[]));
    fixture.now += 10 * SECOND;
    fixture.report(&target(r#""ReservoirQuota": 0, "ReservoirQuotaTTL": 1.8e9"#));
    fixture.context.set_seconds(2.0);
    assert!(!fixture.keeps(&[]));
}

#[test]
fn the_rate_decides_beyond_the_reservoir_and_writes_its_threshold() {
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.25, 0, "")]);
    let sampled = fixture.rate(1000.0);
    assert!((240.0..=260.0).contains(&sampled), "{sampled}");
    // The rate of a target replaces the rule's.
    fixture.report(&target(r#""FixedRate": 0.5"#));
    let sampled = fixture.rate(1000.0);
    assert!((480.0..=520.0).contains(&sampled), "{sampled}");

    let fixture = Fixture::with_rules(&[rule("all", 1, 0.5, 1, "")]);
    let (mut random, mut reserved) = (SplitMix64::new(1), 0);
    for second in 0..1000 {
        fixture.context.set_seconds(f64::from(second));
        for _ in 0..2 {
            let params = SamplingParameters::root(random.next_u64().into(), "x", &fixture.context);
            let decision = fixture.sampler.should_sample(&params);
            let by_threshold = params.randomness().value() >= 1 << 55;
            // A trace sampled only by the reservoir has no threshold.
            assert_eq!(matches!(decision.th, TraceStateUpdate::Write(_)), by_threshold);
            reserved += u32::from(decision.sampled && !by_threshold);
        }
    }
    assert!((450..=550).contains(&reserved), "{reserved}");
}
