//! The poller of X-Ray: requests, reports and settings.

use crate::xray;

use spanwise_sampling::{Value, XrayError, XraySettings};
use xray::{Fixture, SECOND, UNIX, records, rule, target};

#[test]
fn a_report_has_the_counts_since_the_last_one() {
    let mut fixture =
        Fixture::with_rules(&[rule("all", 1, 0.0, 1, ""), rule("rest", 2, 0.0, 0, "")]);
    for _ in 0..7 {
        fixture.keeps(&[]);
    }
    fixture.now += 2 * SECOND;
    let counts = r#""RequestCount":7"#;
    for _ in 0..2 {
        // A request without a response loses no counts. Unused rules are not reported.
        let body = fixture.request().unwrap().body;
        for part in [counts, r#""SampledCount":1"#, r#""BorrowCount":1"#, r#""RuleName":"all""#] {
            assert!(body.contains(part), "{body}");
        }
        assert!(
            body.contains(&format!(r#""Timestamp":{}"#, fixture.unix())) && !body.contains("rest")
        );
        let client = body.split(r#""ClientID":""#).nth(1).unwrap().split('"').next().unwrap();
        assert!(client.len() == 24 && client.bytes().all(|byte| byte.is_ascii_hexdigit()));
        fixture.poller.failed(fixture.now);
        assert_eq!(fixture.request(), None);
        fixture.now += 11 * SECOND;
    }
    fixture.now -= 2 * SECOND;
    fixture.report(&target(r#""Interval": 60"#));
    fixture.keeps(&[]);
    fixture.now += 50 * SECOND;
    assert_eq!(fixture.request(), None);
    fixture.now += 20 * SECOND;
    let body = fixture.request().unwrap().body;
    assert!(body.contains(r#""RequestCount":1,"#), "{body}");
    let refused = r#"{"SamplingTargetDocuments":[],"UnprocessedStatistics":[{"RuleName":"all"}]}"#;
    assert_eq!(fixture.answered(refused), Err(XrayError::Unprocessed(1)));
}

#[test]
fn reports_are_split_by_the_limit_of_a_request() {
    let name = |n: u32| format!(r#""URLPath": "/{n}""#);
    let rules: Vec<_> = (0..60).map(|n| rule(&format!("r{n}"), 1, 1.0, 0, &name(n))).collect();
    let mut fixture = Fixture::with_rules(&rules);
    for n in 0..60 {
        assert!(fixture.keeps(&[("url.path", Value::Str(&format!("/{n}")))]));
    }
    fixture.now += 2 * SECOND;
    for reports in [25, 25, 10] {
        let body = fixture.request().unwrap().body;
        assert_eq!(body.matches("RuleName").count(), reports);
        assert_eq!(fixture.answered(r#"{"SamplingTargetDocuments":[]}"#), Ok(true));
    }
    assert_eq!(fixture.request(), None);
}

#[test]
fn rules_are_requested_at_once_at_the_interval_and_after_a_change() {
    let all = [rule("all", 1, 0.0, 1, "")];
    let mut fixture = Fixture::with_rules(&all);
    let wait = |fixture: &Fixture| (fixture.poller.due() - fixture.now) as f64 / 1e9;
    assert!((0.9..=1.1).contains(&wait(&fixture)));
    fixture.keeps(&[]);
    let changed =
        format!(r#""FixedRate": 0.0}}], "LastRuleModification": {}.5, "x": [{{"y":0"#, UNIX + 9);
    fixture.report(&target(&changed));
    assert_eq!(fixture.request().unwrap().path, "/GetSamplingRules");
    // Equal rules change nothing, and retain their counts.
    assert_eq!(fixture.answered(&records(&all)), Ok(false));
    fixture.keeps(&[]);
    // A server clock ahead of ours causes no request after each report.
    fixture.now += 10 * SECOND;
    fixture.report(&target(&changed));
    assert_eq!(fixture.request(), None);
    // Without used rules there are no reports, only requests for rules.
    loop {
        fixture.now = fixture.poller.due();
        match fixture.request() {
            Some(request) => break assert_eq!(request.path, "/GetSamplingRules"),
            None => assert!(fixture.poller.due() > fixture.now),
        }
    }
    assert!((270 * SECOND..=345 * SECOND).contains(&fixture.now), "{}", fixture.now);
}

/// The processes have equal seeds, as two forked children of one process.
#[test]
fn processes_with_equal_seeds_have_different_client_ids() {
    let clients: std::collections::HashSet<String> = (0..100)
        .map(|_| {
            let mut fixture = Fixture::with_rules(&[rule("all", 1, 1.0, 0, "")]);
            assert!(fixture.keeps(&[]));
            let report = fixture.report(&target(r#""FixedRate": 1.0"#));
            report.split(r#""ClientID":""#).nth(1).unwrap()[..24].to_owned()
        })
        .collect();
    assert_eq!(clients.len(), 100);
}

#[test]
fn xray_settings_are_parsed() {
    let given = XraySettings::parse("endpoint=http://proxy:2000/,polling_interval=60").unwrap();
    assert_eq!((given.endpoint(), given.interval().as_secs()), ("http://proxy:2000", 60));
    let default = XraySettings::parse("").unwrap();
    assert_eq!((default.endpoint(), default.interval().as_secs()), ("http://127.0.0.1:2000", 300));
    for (argument, named) in [
        ("endpoint=proxy:2000", "http://host:port"),
        ("polling_interval=0", "1 or more"),
        ("polling_interval=soon", "polling_interval=`[redacted]`"),
        ("0.25", "polling_interval="),
    ] {
        let error = XraySettings::parse(argument).unwrap_err().to_string();
        assert!(error.contains(named), "{argument}: {error}");
    }
}
