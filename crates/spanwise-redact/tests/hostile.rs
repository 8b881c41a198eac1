//! Hostile spans and rules: bounded time, no growth, and a value that no rule can read is deleted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use spanwise_redact::{Action, RedactError, Redacted, Redactor, Rule, Scratch, Targets};
use std::time::{Duration, Instant};
use support::{any, array, attribute, attributes, map, text};

fn presets() -> Redactor {
    Redactor::builder().with_all_presets().build().unwrap()
}

fn with(rules: impl IntoIterator<Item = Rule>) -> Redactor {
    let builder = rules.into_iter().fold(Redactor::builder(), |it, rule| it.with_rule(rule));
    builder.build().unwrap()
}

/// The result for encoded bytes.
fn bytes(redactor: &Redactor, span: &[u8]) -> Vec<u8> {
    match redactor.redact_span(span, &mut Scratch::default()) {
        Redacted::Unchanged => span.to_vec(),
        Redacted::Changed(new) => new.to_vec(),
    }
}

/// A field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut out);
    [out, content.to_vec()].concat()
}

/// Runs over values of a length and of eight times that. The time grows with the length, not with its square.
fn check_linear(redactor: &Redactor, value: impl Fn(usize) -> Value) {
    let time = |len: usize| {
        let span = support::span([("note", value(len))]).encode_to_vec();
        let mut scratch = Scratch::default();
        let once = || {
            let start = Instant::now();
            let _unchanged = redactor.redact_span(&span, &mut Scratch::default());
            start.elapsed()
        };
        let _warm = redactor.redact_span(&span, &mut scratch);
        (0..2).map(|_| once()).min().unwrap()
    };
    // The square would be 64 times. A machine with other work may be slow for one measurement, not for each of ten.
    let is_linear = || {
        let (short, long) = (time(8 << 10), time(64 << 10));
        long < short * 40 + Duration::from_millis(50)
    };
    assert!((0..10).any(|_| is_linear()), "{:?}, {:?}", time(8 << 10), time(64 << 10));
}

#[test]
fn long_values_cost_linear_time() {
    let redactor = presets();
    for piece in [
        "a",
        "1",
        "1 ",
        "1-",
        "a@",
        "a@b.",
        ".",
        "://",
        "://a?",
        "=",
        "a=",
        "token=",
        "eyJ",
        "eyJaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "::",
        "1:",
        "1.",
        "$a",
        "'",
        "$$",
        "é",
        "Bearer ",
        "\"",
        "sk-",
        "a.b@c.d ",
        "token\\",
        "token=\"",
        "--a-",
        "cookie: ",
        "Cookie\\\"",
    ] {
        check_linear(&redactor, |len| text(&piece.repeat(len / piece.len())));
    }
    check_linear(&redactor, |len| Value::BytesValue(vec![0xff; len]));
    check_linear(&redactor, |len| array(vec![text("a@b"); len / 8]));
    check_linear(&redactor, |len| map(vec![("password", text("x")); len / 16]));
}

#[test]
fn queries_of_begins_without_ends_cost_linear_time() {
    let redactor = presets();
    for part in ["q'a ", "`", "/*", "--", "$a$", "\\'", "'", "1", ":1", "[1", "#1"] {
        let query = text(&part.repeat((1 << 20) / part.len()));
        let span = support::span([("db.query.text", query)]).encode_to_vec();
        let start = Instant::now();
        let _changed = redactor.redact_span(&span, &mut Scratch::default());
        // The square would take minutes.
        assert!(start.elapsed() < Duration::from_secs(20), "{part}: {:?}", start.elapsed());
    }
}

#[test]
fn a_pattern_whose_matches_look_ahead_to_the_end_deletes_long_values() {
    let redactor = with([Rule::mask_values(".*x|a")]);
    let start = Instant::now();
    assert_eq!(attributes(&redactor, &[("note", text(&"a".repeat(1 << 20)))]), []);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(redactor.failures(), 1);
    assert_eq!(attributes(&redactor, &[("note", text("aa"))])[0].1, text("********"));
}

#[test]
fn lists_of_many_attributes_cost_linear_time() {
    let redactor = with([Rule::rename("a", "b"), Rule::rename("c", "d"), Rule::delete(["e*"])]);
    let list = |len: usize| {
        let keys = ["a", "c", "e", "f"].into_iter().cycle().take(len);
        support::span(keys.map(|key| (key, Value::BoolValue(true)))).encode_to_vec()
    };
    let start = Instant::now();
    let new = Span::decode(&*bytes(&redactor, &list(200_000))).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // One `b`, one `d`, and all `f`.
    assert_eq!(new.attributes.len(), 50_002);
}

#[test]
fn values_that_are_too_deep_are_deleted() {
    let nested = |levels: usize, leaf: Value| (0..levels).fold(leaf, |value, _| array([value]));
    let maps = |levels: usize| (0..levels).fold(text("x"), |value, _| map([("k", value)]));
    for (redactor, deep, shallow) in [
        (
            with([Rule::mask_values("secret")]),
            nested(40, text("secret")),
            nested(30, text("secret")),
        ),
        // A map below may have the key.
        (with([Rule::mask(["password"])]), maps(40), maps(30)),
        (with([Rule::new(Action::Truncate(0))]), nested(90, text("x")), nested(30, text("x"))),
    ] {
        let input = [("deep", deep), ("shallow", shallow)];
        let keys: Vec<_> = attributes(&redactor, &input).into_iter().map(|(key, _)| key).collect();
        assert_eq!((keys, redactor.failures()), (vec!["shallow".to_owned()], 1));
    }
}

#[test]
fn maps_whose_keys_are_too_long_for_a_rule_are_deleted() {
    for (len, failures) in [(1_000, 0), (1_024, 1)] {
        let redactor = presets();
        let long = "k".repeat(len);
        let out = attributes(&redactor, &[("note", map(vec![(long.as_str(), text("x"))]))]);
        assert_eq!((out.len() as u64, redactor.failures()), (1 - failures, failures), "{len}");
    }
}

#[test]
fn attributes_that_readers_read_differently_are_deleted() {
    let key = field(1, b"note");
    let value = |text: &str| field(2, &field(1, text.as_bytes()));
    let cases: [(&str, Vec<u8>); 9] = [
        ("two keys", [field(1, b"a"), key.clone(), value("x")].concat()),
        ("two values", [key.clone(), value("x"), value("y")].concat()),
        (
            "a value of two types",
            [key.clone(), field(2, &[field(1, b"x"), vec![0x10, 1]].concat())].concat(),
        ),
        ("a type of the future", [key.clone(), field(2, &field(9, b"ann@example.com"))].concat()),
        ("a field of the future", [key.clone(), value("x"), field(4, b"ann@example.com")].concat()),
        ("a number as text", [key.clone(), field(2, &field(3, b"ann@example.com"))].concat()),
        ("truncated", [key.clone(), vec![0x12, 9, 0x0a]].concat()),
        ("a key as a number", [vec![0x08, 1], value("x")].concat()),
        ("no UTF-8", [key.clone(), field(2, &field(1, b"\xff ann@example.com"))].concat()),
    ];
    for (name, attribute) in cases {
        let redactor = presets();
        let span = [field(9, &attribute), field(5, b"name")].concat();
        assert_eq!(bytes(&redactor, &span), field(5, b"name"), "{name}");
        assert_eq!(redactor.failures(), 1, "{name}");
        assert_eq!(redactor.explain(&span).len(), 1);
        // Without a rule for it, an attribute stays as it is.
        let other =
            with([Rule::mask_values("x")
                .with_targets(Targets::of([spanwise_redact::Target::SpanName]))]);
        assert_eq!(bytes(&other, &span), span, "{name}");
    }
}

#[test]
fn what_is_no_attribute_is_copied_and_a_broken_end_is_cut() {
    let redactor = presets();
    let known = support::span([("note", text("to ann@example.com"))]).encode_to_vec();
    let unknown =
        [field(14, b"\x08\x01"), vec![0xfd, 0x7f, 1, 2, 3, 4], vec![0x80, 0x01, 5]].concat();
    let new = bytes(&redactor, &[unknown.clone(), known.clone(), unknown.clone()].concat());
    assert!(new.starts_with(&unknown) && new.ends_with(&unknown));
    assert_eq!(redactor.failures(), 0);
    for broken in
        [&[0x0b][..], &[0x00], &[0x4a, 200, 1], &[0xff; 11], &[0x2a], b"\x2a\x30ann@example.com"]
    {
        let redactor = presets();
        let whole = bytes(&redactor, &known);
        assert_eq!(
            bytes(&redactor, &[known.clone(), broken.to_vec()].concat()),
            whole,
            "{broken:x?}"
        );
        assert_eq!(redactor.failures(), 1, "{broken:x?}");
    }
    // A tag or a length in more bytes than it needs is read as others are.
    let name = b"ann@example.com";
    let long = [&[0xaa, 0x80, 0x00, 0x80 | 15, 0x80, 0x00][..], name].concat();
    let new = Span::decode(&*bytes(&redactor, &long)).unwrap();
    assert_eq!(new.name, "****");
}

#[test]
fn names_that_are_no_text_become_the_mask() {
    let redactor = presets();
    let span = field(5, b"\xff ann@example.com");
    assert_eq!(bytes(&redactor, &span), field(5, b"****"));
    assert_eq!(redactor.failures(), 1);
    let harmless = field(5, b"\xff\xfe");
    assert_eq!(bytes(&redactor, &harmless), harmless);
}

/// The attributes are removed on purpose, and no receiver should take it for a loss: the count is that of the SDK's limits, as the
/// Collector's processors leave it.
#[test]
fn dropped_attributes_count_is_that_of_the_sender() {
    let mut span = support::span([("a", text("x")), ("b", text("y"))]);
    span.dropped_attributes_count = 2;
    let new = support::redacted(&with([Rule::delete(["a"])]), &span);
    assert_eq!((new.attributes.len(), new.dropped_attributes_count), (1, 2));
    let rules = [Rule::delete(["*"])];
    let new = support::redacted(&with(rules), &support::span([("a", text("x"))]));
    assert_eq!((new.attributes.len(), new.dropped_attributes_count), (0, 0));
}

#[test]
fn key_rules_reach_entries_of_maps() {
    let redactor = with([
        Rule::mask(["*.password"]),
        Rule::delete(["card"]),
        Rule::new(Action::Truncate(1)).with_keys(["note"]),
    ]);
    let input = [(
        "login",
        array([map([
            ("password", text("x")),
            ("card", text("y")),
            (
                "inner",
                map([("password", array([text("z")])), ("card", text("w")), ("note", text("abc"))]),
            ),
        ])]),
    )];
    let expected = array([map([
        ("password", text("****")),
        ("inner", map([("password", text("****")), ("note", text("a"))])),
    ])]);
    assert_eq!(attributes(&redactor, &input), [("login".to_owned(), expected)]);
    // A path that is too long to be matched is deleted with its attribute.
    let long = "k".repeat(2_000);
    assert_eq!(attributes(&redactor, &[("map", map([(&*long, text("x"))]))]), []);
    assert_eq!(redactor.failures(), 1);
}

#[test]
fn rules_reach_resources_and_scopes_of_a_request() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
    let list = || vec![attribute("owner", text("ann@example.com"))];
    let masked = || vec![attribute("owner", text("****"))];
    let request = |list: &dyn Fn() -> Vec<_>| ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: list(), ..Resource::default() }),
            schema_url: "https://opentelemetry.io/schemas/1.30.0".to_owned(),
            scope_spans: vec![
                ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "ann@example.com".to_owned(),
                        attributes: list(),
                        ..InstrumentationScope::default()
                    }),
                    spans: vec![Span { attributes: list(), ..Span::default() }; 3],
                    ..ScopeSpans::default()
                };
                2
            ],
        }],
    };
    let redactor = presets();
    let (before, mut scratch) = (request(&list).encode_to_vec(), Scratch::default());
    let Redacted::Changed(after) = redactor.redact_request(&before, &mut scratch) else {
        panic!("nothing is changed");
    };
    assert_eq!(ExportTraceServiceRequest::decode(after).unwrap(), request(&masked));
    assert_eq!(redactor.explain_request(&before).len(), 9);
    let resource = Resource { attributes: list(), ..Resource::default() }.encode_to_vec();
    let expected = Resource { attributes: masked(), ..Resource::default() }.encode_to_vec();
    assert_eq!(redactor.redact_resource(&resource, &mut scratch), Redacted::Changed(&expected));
}

#[test]
fn rules_are_bounded() {
    let error = |rule: Rule| Redactor::builder().with_rule(rule).build().unwrap_err().to_string();
    assert_eq!(
        error(Rule::mask(["a"; 1_025])),
        "rule 0 (mask): at most 1024 key patterns are accepted in all rules"
    );
    assert_eq!(
        error(Rule::mask(["a".repeat(1_001)])),
        "rule 0 (mask): its key pattern has 1001 bytes: at most 1000 are accepted"
    );
    let long = error(Rule::mask_values("a".repeat(10_001)));
    assert!(long.ends_with(": 10001 bytes: at most 10000 are accepted"), "{long}");
    let nested = error(Rule::mask_values(format!("{}a{}", "(".repeat(60), ")".repeat(60))));
    assert!(nested.contains("nest"), "{nested}");
    // As many rules as are accepted, each with its own pattern: more than the filter has bits.
    let rules =
        (0..RedactError::MAX_RULES).map(|number| Rule::mask_values(format!("id{number:03}x")));
    let redactor = with(rules);
    for number in [0, 63, 64, 127] {
        let value = format!("see id{number:03}x");
        assert_eq!(attributes(&redactor, &[("a", text(&value))])[0].1, text("see ****"));
    }
    assert_eq!(attributes(&redactor, &[("a", text("see id128x"))])[0].1, text("see id128x"));
}

/// Keys of a peer, new ones each time: those of the program are found as before.
#[test]
fn keys_without_end_neither_grow_nor_slow_the_table() {
    let redactor = with([Rule::mask(["*.secret"]), Rule::delete(["user.?d"])]);
    let mut scratch = Scratch::default();
    for number in 0..50_000 {
        let (flood, value) = (format!("flood.{number}"), any(text("x")));
        let mut span = support::span([("app.secret", text("x")), ("user.id", text("y"))]);
        span.attributes.push(attribute(&flood, value.value.unwrap()));
        let span = span.encode_to_vec();
        let Redacted::Changed(new) = redactor.redact_span(&span, &mut scratch) else {
            panic!("{flood}");
        };
        let new = Span::decode(new).unwrap();
        assert_eq!(
            new.attributes,
            [attribute("app.secret", text("****")), attribute(&flood, text("x"))]
        );
    }
}
