//! X-Ray's rules: parsing, matching and expiry.

use crate::xray;

use spanwise_sampling::{Value, XrayError};
use xray::{Fixture, SECOND, records, rule, target};

#[test]
fn the_first_rule_that_matches_a_span_decides() {
    let on = |name, priority, more: &str| rule(name, priority, 1.0, 0, more);
    let off = |name, priority, more: &str| rule(name, priority, 0.0, 0, more);
    let fixture = Fixture::with_rules(&[
        on("Default", 10_000, ""),
        off("z", 5, r#""URLPath": "/b*""#),
        // The name orders rules of one priority.
        on("a", 5, r#""URLPath": "/b?d""#),
        off("post", 7, r#""HTTPMethod": "POST", "Host": "*.example.com""#),
        off("tenant", 8, r#""Attributes": {"tenant": "tin*", "paid": "false"}"#),
        // These rules are for other services.
        off("other", 1, r#""ServiceName": "shop-?*""#),
        off("lambda", 1, r#""ServiceType": "AWS::Lambda::Function""#),
        off("arn", 1, r#""ResourceARN": "arn:aws:*""#),
    ]);
    let text = Value::Str;
    for (attributes, expected) in [
        (vec![], true),
        (vec![("url.path", text("/bd"))], false),
        (vec![("url.path", text("/bcd"))], true),
        (vec![("http.target", text("/BCD?b=c"))], true),
        (vec![("http.target", text("/b?/bcd"))], false),
        (vec![("http.request.method", text("POST"))], true),
        (vec![("http.method", text("post")), ("net.host.name", text("a.example.com"))], false),
        (vec![("tenant", text("tin"))], true),
        (vec![("tenant", text("tin")), ("paid", Value::Bool(false))], false),
        (vec![("tenant", text("gold")), ("paid", Value::Bool(false))], true),
    ] {
        assert_eq!(fixture.keeps(&attributes), expected, "{attributes:?}");
    }
}

#[test]
fn a_span_without_a_matching_rule_is_sampled_as_without_rules() {
    let fixture = Fixture::with_rules(&[rule("never", 1, 0.0, 0, r#""URLPath": "/x""#)]);
    assert!(fixture.keeps(&[]) && !fixture.keeps(&[]));
}

#[test]
fn rules_expire_an_hour_after_the_last_response() {
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 0.0, 0, "")]);
    assert!(!fixture.keeps(&[]));
    while fixture.poller.due() < 3600 * SECOND {
        fixture.now = fixture.poller.due();
        fixture.request();
        fixture.poller.failed(fixture.now);
        assert!(!fixture.keeps(&[]));
    }
    fixture.now = 3600 * SECOND;
    fixture.request();
    assert!(fixture.keeps(&[]));
    // The next response restores them.
    fixture.poller.failed(fixture.now);
    fixture.now = fixture.poller.due();
    fixture.request().unwrap();
    assert_eq!(fixture.answered(&records(&[rule("all", 1, 0.0, 0, "")])), Ok(true));
    fixture.context.set_seconds(10.0);
    assert!(!fixture.keeps(&[]));
}

#[test]
fn rules_are_received_in_pages() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.request().unwrap().body, "{}");
    let page = |token: &str, rule: &str| {
        format!(r#"{{"NextToken": {token}, "SamplingRuleRecords": [{rule}]}}"#)
    };
    assert_eq!(fixture.answered(&page(r#""a\"b""#, &rule("z", 1, 0.0, 0, ""))), Ok(false));
    assert_eq!(fixture.request().unwrap().body, r#"{"NextToken":"a\"b"}"#);
    assert_eq!(fixture.answered(&page("null", &rule("a", 1, 1.0, 0, ""))), Ok(true));
    assert!(fixture.keeps(&[]) && fixture.keeps(&[]));
    assert_eq!(fixture.sampler.to_string(), "XrayRemoteSampler{2 rules}");
    // The poller limits the number of pages.
    let mut endless = Fixture::new();
    let answer = page(r#""again""#, "");
    let last = (0..1000).find_map(|_| {
        endless.request().unwrap();
        endless.answered(&answer).err()
    });
    assert_eq!(last, Some(XrayError::TooManyRules));
    assert_eq!(endless.request(), None);
}

#[test]
fn a_malformed_response_is_rejected_with_its_field_and_the_rules_stay() {
    let mut fixture = Fixture::with_rules(&[rule("all", 1, 1.0, 0, "")]);
    let many = vec![rule("x", 1, 0.0, 0, ""); 1_001];
    let field = |rule: String| records(&[rule]);
    for (answer, named) in [
        (String::new(), "not JSON"),
        ("[".repeat(100_000), "not JSON"),
        ("{}".to_owned(), "SamplingRuleRecords"),
        (field("{}".to_owned()), "Priority"),
        (field(rule("", 1, 0.0, 0, "")), "RuleName"),
        (field(rule("x", 1, 1.5, 0, "")), "FixedRate"),
        (field(rule("x", 1, 0.5, 0, r#""Host": 7"#)), "Host"),
        (field(rule("x", 1, 0.5, 0, r#""Attributes": {"a": 7}"#)), "Attributes"),
        (
            field(r#"{"SamplingRule": {"RuleName":"x","Priority":1,"FixedRate":0}}"#.into()),
            "Reservoir",
        ),
        (records(&many), "1,000"),
    ] {
        while fixture.request().is_none() {
            fixture.now = fixture.poller.due();
        }
        let error = fixture.answered(&answer).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(fixture.keeps(&[]) && fixture.keeps(&[]));
        // A report would be due first.
        fixture = Fixture::with_rules(&[rule("all", 1, 1.0, 0, "")]);
        fixture.now = 400 * SECOND;
    }
    for (answer, named) in [
        ("nothing".to_owned(), "not JSON"),
        ("{}".to_owned(), "SamplingTargetDocuments"),
        (target(r#""FixedRate": -1"#), "FixedRate"),
        (target(r#""ReservoirQuota": "many""#), "ReservoirQuota"),
        (target(r#""Interval": -1"#), "Interval"),
        (r#"{"SamplingTargetDocuments": [{}]}"#.to_owned(), "RuleName"),
    ] {
        let mut fixture = Fixture::with_rules(&[rule("all", 1, 1.0, 0, "")]);
        assert!(fixture.keeps(&[]));
        fixture.now = 2 * SECOND;
        assert_eq!(fixture.request().unwrap().path, "/SamplingTargets");
        let error = fixture.answered(&answer).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(fixture.keeps(&[]));
    }
    // Rules of a later version are ignored.
    let later = rule("later", 1, 0.0, 0, "").replace(r#""Version": 1"#, r#""Version": 2"#);
    let fixture = Fixture::with_rules(&[later, rule("all", 2, 1.0, 0, "")]);
    assert!(fixture.keeps(&[]) && fixture.keeps(&[]));
}

#[test]
fn patterns_names_and_attribute_lists_of_rules_are_bounded() {
    let long = |bytes: usize| "x".repeat(bytes);
    let attributes = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|n| format!(r#""{n}": "*""#)).collect();
        format!(r#""Attributes": {{{}}}"#, pairs.join(","))
    };
    let cases = [
        (rule(&long(512), 1, 1.0, 0, ""), None),
        (rule(&long(513), 1, 1.0, 0, ""), Some("RuleName")),
        (rule("r", 1, 1.0, 0, &format!(r#""URLPath": "{}""#, long(512))), None),
        (rule("r", 1, 1.0, 0, &format!(r#""URLPath": "{}""#, long(513))), Some("URLPath")),
        (
            rule("r", 1, 1.0, 0, &format!(r#""Attributes": {{"{}": ""}}"#, long(513))),
            Some("Attributes"),
        ),
        (
            rule("r", 1, 1.0, 0, &format!(r#""Attributes": {{"a": "{}"}}"#, long(513))),
            Some("Attributes"),
        ),
        (rule("r", 1, 1.0, 0, &attributes(64)), None),
        (rule("r", 1, 1.0, 0, &attributes(65)), Some("Attributes")),
    ];
    for (rule, refused) in cases {
        let mut fixture = Fixture::new();
        fixture.request().unwrap();
        match (fixture.answered(&records(&[rule])), refused) {
            (Ok(true), None) => {}
            (Err(XrayError::Field { field, .. }), Some(named)) => assert_eq!(field, named),
            (answer, _) => panic!("{answer:?} for {refused:?}"),
        }
    }
}
