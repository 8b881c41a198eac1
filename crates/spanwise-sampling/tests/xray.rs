//! X-Ray's sampling: what is read, what is kept, what is asked when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Sampler, SamplingParameters, TraceStateUpdate, Value, XrayError, XrayPoller, XrayRemote,
    XrayRequest, XraySettings,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Shape};
use support::{Virtual, drive};

const SECOND: u64 = 1_000_000_000;
/// Seconds since 1970 when the test begins.
const UNIX: u64 = 1_700_000_000;

/// X-Ray, its proxy and the process, in virtual time.
struct Bench {
    poll: XrayPoller,
    sampler: Sampler,
    host: Virtual,
    /// Nanoseconds of the poll's clock.
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let remote = XrayRemote::new();
        let poll = XrayPoller::new(&XraySettings::default(), "shop", remote.clone(), 1);
        Self { poll, sampler: remote.into(), host: Virtual::new(), now: 0 }
    }

    fn with_rules(rules: &[String]) -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.request().unwrap().path, "/GetSamplingRules");
        assert_eq!(bench.answered(&records(rules)), Ok(true));
        bench
    }

    fn unix(&self) -> u64 {
        UNIX + self.now / SECOND
    }

    fn request(&mut self) -> Option<XrayRequest> {
        self.poll.request(self.now, self.unix())
    }

    fn answered(&mut self, body: &str) -> Result<bool, XrayError> {
        self.poll.answered(self.now, self.unix(), body.as_bytes())
    }

    /// Waits for the report on what was offered, and answers it.
    fn report(&mut self, answer: &str) -> String {
        self.now += 2 * SECOND;
        let request = self.request().unwrap();
        assert_eq!(request.path, "/SamplingTargets");
        assert_eq!(self.answered(answer), Ok(true));
        request.body
    }

    /// Waits until it is asked for the rules; what is reported before goes unanswered.
    fn asks_for_rules(&mut self) {
        loop {
            self.now = self.poll.due().max(self.now);
            match self.request() {
                Some(request) if request.path == "/GetSamplingRules" => return,
                Some(_) => self.poll.failed(self.now),
                None => {}
            }
        }
    }

    fn keeps(&self, attributes: &[(&str, Value<'_>)]) -> bool {
        let params = SamplingParameters {
            attributes: &attributes,
            ..SamplingParameters::root(0, "x", &self.host)
        };
        self.sampler.should_sample(&params).sampled
    }

    /// Kept per second of `per_second` offered ones.
    fn rate(&self, per_second: f64) -> f64 {
        let arrivals = Arrivals::new(Shape::Steady(per_second), 40.0, 1);
        drive(&self.sampler, &self.host, arrivals, || "x").rate(2.0, 40.0)
    }
}

/// A rule, with what `more` says of it besides.
fn rule(name: &str, priority: u32, rate: f64, reservoir: u32, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"SamplingRule": {{"RuleName": "{name}", "Priority": {priority}, "FixedRate": {rate},
        "ReservoirSize": {reservoir}, "Version": 1{comma}{more}}}, "ModifiedAt": 0.0}}"#
    )
}

fn records(rules: &[String]) -> String {
    format!(r#"{{"NextToken": null, "SamplingRuleRecords": [{}]}}"#, rules.join(","))
}

fn target(more: &str) -> String {
    format!(r#"{{"SamplingTargetDocuments": [{{"RuleName": "all", {more}}}]}}"#)
}

#[test]
fn without_rules_one_a_second_and_five_percent() {
    let bench = Bench::new();
    let kept = bench.rate(1000.0);
    assert!((48.0..=54.0).contains(&kept), "{kept}");
    // Of ten, one and a twentieth of nine.
    let kept = bench.rate(10.0);
    assert!((1.1..=1.8).contains(&kept), "{kept}");
}

#[test]
fn the_reservoir_is_borrowed_from_until_there_is_a_quota_that_ends() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    let around = |kept: f64, wanted: f64| assert!((kept - wanted).abs() <= 0.1, "{kept}");
    around(bench.rate(1000.0), 1.0);
    let until = bench.unix() + 60;
    let report = bench.report(&target(&format!(
        r#""FixedRate": 0.0, "ReservoirQuota": 20, "ReservoirQuotaTTL": {until}.0"#
    )));
    assert!(report.contains(r#""RequestCount":40"#), "{report}");
    around(bench.rate(1000.0), 20.0);
    // The time of the quota is over: borrowed again.
    bench.now = 59 * SECOND;
    bench.request();
    around(bench.rate(1000.0), 20.0);
    bench.now = 63 * SECOND;
    bench.request();
    around(bench.rate(1000.0), 1.0);
}

#[test]
fn a_rule_that_is_defined_anew_goes_on_with_what_it_has() {
    // One a second may be borrowed: twenty definitions in one second borrow it once.
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    let mut kept = 0;
    for definition in 0..20 {
        bench.asks_for_rules();
        let path = format!(r#""URLPath": "/{definition}*""#);
        let defined = rule("all", 1 + definition, 0.0, 50 + definition, "");
        let others = rule("other", 99, 0.0, 0, &path);
        assert_eq!(bench.answered(&records(&[defined, others])), Ok(true));
        kept += (0..10).filter(|_| bench.keeps(&[])).count();
    }
    assert_eq!(kept, 1);
    // A quota goes on too, and a rate that changed is in force at once.
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    assert!(bench.keeps(&[]));
    let until = bench.unix() + 100_000;
    bench.report(&target(&format!(
        r#""FixedRate": 0.0, "ReservoirQuota": 20, "ReservoirQuotaTTL": {until}.0, "Interval": 600"#
    )));
    assert!((bench.rate(1000.0) - 20.0).abs() <= 0.1);
    bench.asks_for_rules();
    assert_eq!(bench.answered(&records(&[rule("all", 1, 0.5, 50, "")])), Ok(true));
    let kept = bench.rate(1000.0);
    assert!((500.0..=530.0).contains(&kept), "{kept}");
    bench.now += 700 * SECOND;
    assert_eq!(bench.request().unwrap().path, "/GetSamplingRules");
    bench.poll.failed(bench.now);
    let report = bench.request().unwrap();
    // What was counted under either definition is reported together: twice forty seconds.
    let (_, count) = report.body.split_once(r#""RequestCount":"#).unwrap();
    let count: u32 = count.split(',').next().unwrap().parse().unwrap();
    assert!((78_000..=82_000).contains(&count), "{}", report.body);
}

#[test]
fn a_quota_that_is_over_already_is_none_and_a_quota_of_zero_is_one() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 50, "")]);
    assert!(bench.keeps(&[]) && !bench.keeps(&[]));
    bench.report(&target(r#""ReservoirQuota": 20, "ReservoirQuotaTTL": 1"#));
    bench.host.set_seconds(1.0);
    assert!(bench.keeps(&[]) && !bench.keeps(&[]));
    bench.now += 10 * SECOND;
    bench.report(&target(r#""ReservoirQuota": 0, "ReservoirQuotaTTL": 1.8e9"#));
    bench.host.set_seconds(2.0);
    assert!(!bench.keeps(&[]));
}

#[test]
fn beyond_the_reservoir_the_rate_decides_and_writes_its_threshold() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.25, 0, "")]);
    let kept = bench.rate(1000.0);
    assert!((240.0..=260.0).contains(&kept), "{kept}");
    // The rate of a target stands above the rule's.
    bench.report(&target(r#""FixedRate": 0.5"#));
    let kept = bench.rate(1000.0);
    assert!((480.0..=520.0).contains(&kept), "{kept}");

    let bench = Bench::with_rules(&[rule("all", 1, 0.5, 1, "")]);
    let (mut dice, mut reserved) = (SplitMix64::new(1), 0);
    for second in 0..1000 {
        bench.host.set_seconds(f64::from(second));
        for _ in 0..2 {
            let params = SamplingParameters::root(dice.next_u64().into(), "x", &bench.host);
            let decision = bench.sampler.should_sample(&params);
            let by_chance = params.randomness().value() >= 1 << 55;
            // What the reservoir alone keeps has no threshold.
            assert_eq!(matches!(decision.th, TraceStateUpdate::Write(_)), by_chance);
            reserved += u32::from(decision.sampled && !by_chance);
        }
    }
    assert!((450..=550).contains(&reserved), "{reserved}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let on = |name, priority, more: &str| rule(name, priority, 1.0, 0, more);
    let off = |name, priority, more: &str| rule(name, priority, 0.0, 0, more);
    let bench = Bench::with_rules(&[
        on("Default", 10_000, ""),
        off("z", 5, r#""URLPath": "/b*""#),
        // Of one priority, the name decides.
        on("a", 5, r#""URLPath": "/b?d""#),
        off("post", 7, r#""HTTPMethod": "POST", "Host": "*.example.com""#),
        off("tenant", 8, r#""Attributes": {"tenant": "tin*", "paid": "false"}"#),
        // None of these is about us.
        off("other", 1, r#""ServiceName": "shop-?*""#),
        off("lambda", 1, r#""ServiceType": "AWS::Lambda::Function""#),
        off("arn", 1, r#""ResourceARN": "arn:aws:*""#),
    ]);
    let text = Value::Str;
    for (attributes, kept) in [
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
        assert_eq!(bench.keeps(&attributes), kept, "{attributes:?}");
    }
}

#[test]
fn a_span_that_no_rule_matches_is_decided_as_without_rules() {
    let bench = Bench::with_rules(&[rule("never", 1, 0.0, 0, r#""URLPath": "/x""#)]);
    assert!(bench.keeps(&[]) && !bench.keeps(&[]));
}

#[test]
fn rules_that_nobody_confirms_are_let_go_after_an_hour() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 0, "")]);
    assert!(!bench.keeps(&[]));
    while bench.poll.due() < 3600 * SECOND {
        bench.now = bench.poll.due();
        bench.request();
        bench.poll.failed(bench.now);
        assert!(!bench.keeps(&[]));
    }
    bench.now = 3600 * SECOND;
    bench.request();
    assert!(bench.keeps(&[]));
    // They are back with the next answer.
    bench.poll.failed(bench.now);
    bench.now = bench.poll.due();
    bench.request().unwrap();
    assert_eq!(bench.answered(&records(&[rule("all", 1, 0.0, 0, "")])), Ok(true));
    bench.host.set_seconds(10.0);
    assert!(!bench.keeps(&[]));
}

#[test]
fn what_is_reported_is_what_was_done() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 0.0, 1, ""), rule("rest", 2, 0.0, 0, "")]);
    for _ in 0..7 {
        bench.keeps(&[]);
    }
    bench.now += 2 * SECOND;
    let counts = r#""RequestCount":7"#;
    for _ in 0..2 {
        // Nobody answers: nothing is lost. Rules that were not used are not reported.
        let body = bench.request().unwrap().body;
        for part in [counts, r#""SampledCount":1"#, r#""BorrowCount":1"#, r#""RuleName":"all""#] {
            assert!(body.contains(part), "{body}");
        }
        assert!(
            body.contains(&format!(r#""Timestamp":{}"#, bench.unix())) && !body.contains("rest")
        );
        let client = body.split(r#""ClientID":""#).nth(1).unwrap().split('"').next().unwrap();
        assert!(client.len() == 24 && client.bytes().all(|byte| byte.is_ascii_hexdigit()));
        bench.poll.failed(bench.now);
        assert_eq!(bench.request(), None);
        bench.now += 11 * SECOND;
    }
    bench.now -= 2 * SECOND;
    bench.report(&target(r#""Interval": 60"#));
    bench.keeps(&[]);
    bench.now += 50 * SECOND;
    assert_eq!(bench.request(), None);
    bench.now += 20 * SECOND;
    let body = bench.request().unwrap().body;
    assert!(body.contains(r#""RequestCount":1,"#), "{body}");
    let refused = r#"{"SamplingTargetDocuments":[],"UnprocessedStatistics":[{"RuleName":"all"}]}"#;
    assert_eq!(bench.answered(refused), Err(XrayError::Unprocessed(1)));
}

#[test]
fn more_rules_than_a_report_takes_are_reported_one_after_another() {
    let name = |n: u32| format!(r#""URLPath": "/{n}""#);
    let rules: Vec<_> = (0..60).map(|n| rule(&format!("r{n}"), 1, 1.0, 0, &name(n))).collect();
    let mut bench = Bench::with_rules(&rules);
    for n in 0..60 {
        assert!(bench.keeps(&[("url.path", Value::Str(&format!("/{n}")))]));
    }
    bench.now += 2 * SECOND;
    for reports in [25, 25, 10] {
        let body = bench.request().unwrap().body;
        assert_eq!(body.matches("RuleName").count(), reports);
        assert_eq!(bench.answered(r#"{"SamplingTargetDocuments":[]}"#), Ok(true));
    }
    assert_eq!(bench.request(), None);
}

#[test]
fn rules_are_asked_for_at_once_at_the_interval_and_when_they_have_changed() {
    let all = [rule("all", 1, 0.0, 1, "")];
    let mut bench = Bench::with_rules(&all);
    let wait = |bench: &Bench| (bench.poll.due() - bench.now) as f64 / 1e9;
    assert!((0.9..=1.1).contains(&wait(&bench)));
    bench.keeps(&[]);
    let changed =
        format!(r#""FixedRate": 0.0}}], "LastRuleModification": {}.5, "x": [{{"y":0"#, UNIX + 9);
    bench.report(&target(&changed));
    assert_eq!(bench.request().unwrap().path, "/GetSamplingRules");
    // The same rules again: nothing has changed, and what they have counted goes on.
    assert_eq!(bench.answered(&records(&all)), Ok(false));
    bench.keeps(&[]);
    // A clock ahead of ours does not make us ask each time.
    bench.now += 10 * SECOND;
    bench.report(&target(&changed));
    assert_eq!(bench.request(), None);
    // Where nothing is used, nothing is reported: only rules are asked for.
    loop {
        bench.now = bench.poll.due();
        match bench.request() {
            Some(request) => break assert_eq!(request.path, "/GetSamplingRules"),
            None => assert!(bench.poll.due() > bench.now),
        }
    }
    assert!((270 * SECOND..=345 * SECOND).contains(&bench.now), "{}", bench.now);
}

#[test]
fn rules_come_in_pages() {
    let mut bench = Bench::new();
    assert_eq!(bench.request().unwrap().body, "{}");
    let page = |token: &str, rule: &str| {
        format!(r#"{{"NextToken": {token}, "SamplingRuleRecords": [{rule}]}}"#)
    };
    assert_eq!(bench.answered(&page(r#""a\"b""#, &rule("z", 1, 0.0, 0, ""))), Ok(false));
    assert_eq!(bench.request().unwrap().body, r#"{"NextToken":"a\"b"}"#);
    assert_eq!(bench.answered(&page("null", &rule("a", 1, 1.0, 0, ""))), Ok(true));
    assert!(bench.keeps(&[]) && bench.keeps(&[]));
    assert_eq!(bench.sampler.to_string(), "XrayRemoteSampler{2 rules}");
    // Pages without an end have one here.
    let mut endless = Bench::new();
    let answer = page(r#""again""#, "");
    let last = (0..1000).find_map(|_| {
        endless.request().unwrap();
        endless.answered(&answer).err()
    });
    assert_eq!(last, Some(XrayError::TooManyRules));
    assert_eq!(endless.request(), None);
}

#[test]
fn what_is_wrong_is_named_and_the_rules_stay() {
    let mut bench = Bench::with_rules(&[rule("all", 1, 1.0, 0, "")]);
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
        while bench.request().is_none() {
            bench.now = bench.poll.due();
        }
        let error = bench.answered(&answer).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(bench.keeps(&[]) && bench.keeps(&[]));
        // Reports would come between.
        bench = Bench::with_rules(&[rule("all", 1, 1.0, 0, "")]);
        bench.now = 400 * SECOND;
    }
    for (answer, named) in [
        ("nothing".to_owned(), "not JSON"),
        ("{}".to_owned(), "SamplingTargetDocuments"),
        (target(r#""FixedRate": -1"#), "FixedRate"),
        (target(r#""ReservoirQuota": "many""#), "ReservoirQuota"),
        (target(r#""Interval": -1"#), "Interval"),
        (r#"{"SamplingTargetDocuments": [{}]}"#.to_owned(), "RuleName"),
    ] {
        let mut bench = Bench::with_rules(&[rule("all", 1, 1.0, 0, "")]);
        assert!(bench.keeps(&[]));
        bench.now = 2 * SECOND;
        assert_eq!(bench.request().unwrap().path, "/SamplingTargets");
        let error = bench.answered(&answer).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(bench.keeps(&[]));
    }
    // Rules in a form of later times are left out.
    let later = rule("later", 1, 0.0, 0, "").replace(r#""Version": 1"#, r#""Version": 2"#);
    let bench = Bench::with_rules(&[later, rule("all", 2, 1.0, 0, "")]);
    assert!(bench.keeps(&[]) && bench.keeps(&[]));
}

#[test]
fn settings() {
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

/// As two children of one process would ask, which has the seed in its memory.
#[test]
fn processes_are_told_apart_whatever_their_seed() {
    let clients: std::collections::HashSet<String> = (0..100)
        .map(|_| {
            let mut bench = Bench::with_rules(&[rule("all", 1, 1.0, 0, "")]);
            assert!(bench.keeps(&[]));
            let report = bench.report(&target(r#""FixedRate": 1.0"#));
            report.split(r#""ClientID":""#).nth(1).unwrap()[..24].to_owned()
        })
        .collect();
    assert_eq!(clients.len(), 100);
}

#[test]
fn patterns_names_and_lists_of_rules_are_bounded() {
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
        let mut bench = Bench::new();
        bench.request().unwrap();
        match (bench.answered(&records(&[rule])), refused) {
            (Ok(true), None) => {}
            (Err(XrayError::Field { field, .. }), Some(named)) => assert_eq!(field, named),
            (answer, _) => panic!("{answer:?} for {refused:?}"),
        }
    }
}
