//! The effect of each action on each kind of value.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_redact::{Action, RedactError, Redactor, Rule, Target, Targets};
use support::{array, attributes, map, redacted, span, text};

fn with(rules: impl IntoIterator<Item = Rule>) -> Redactor {
    let builder = rules.into_iter().fold(Redactor::builder(), |it, rule| it.with_rule(rule));
    builder.with_hash_key("a key of sixteen bytes").build().unwrap()
}

fn pairs(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

#[test]
fn keys_are_deleted_masked_allowed_and_renamed() {
    let input = [
        ("a.secret", text("x")),
        ("b", Value::IntValue(7)),
        ("c", array([text("x"), Value::BoolValue(true)])),
        ("d", Value::DoubleValue(0.5)),
    ];
    let delete = with([Rule::delete(["a.*", "c"])]);
    assert_eq!(attributes(&delete, &input), pairs(&[input[1].clone(), input[3].clone()]));
    let mask = with([Rule::mask(["?"])]);
    let masked =
        pairs(&[input[0].clone(), ("b", text("****")), ("c", text("****")), ("d", text("****"))]);
    assert_eq!(attributes(&mask, &input), masked);
    let allow = with([Rule::allow(["d"]), Rule::allow(["b"])]);
    assert_eq!(attributes(&allow, &input), pairs(&[input[1].clone(), input[3].clone()]));
    let rename = with([Rule::rename("b", "e"), Rule::rename("c", "d")]);
    let renamed = pairs(&[input[0].clone(), ("e", Value::IntValue(7)), input[3].clone()]);
    assert_eq!(attributes(&rename, &input), renamed);
}

#[test]
fn strings_are_shortened_at_characters() {
    let truncate = with([Rule::new(Action::Truncate(2)).with_targets(Targets::SPAN_ATTRIBUTES)]);
    let input = [
        ("a", text("äöü")),
        ("b", text("äö")),
        ("c", array([text("xyz"), map([("key", text("uvw"))])])),
        ("d", Value::IntValue(123_456)),
    ];
    let expected = pairs(&[
        ("a", text("äö")),
        ("b", text("äö")),
        ("c", array([text("xy"), map([("key", text("uv"))])])),
        ("d", Value::IntValue(123_456)),
    ]);
    assert_eq!(attributes(&truncate, &input), expected);
}

/// The digest is that of Python's `hmac.new(b"a key of sixteen bytes", b"ann", "sha256").hexdigest()`.
#[test]
fn hashes_are_those_of_hmac_sha_256() {
    let hash = with([Rule::hash(["user.*"])]);
    let out = attributes(&hash, &[("user.id", text("ann")), ("user.x", Value::IntValue(5))]);
    let Value::StringValue(ann) = &out[0].1 else { panic!("{out:?}") };
    assert_eq!(ann, "1c4fbb5afbadc9fe0f529f76024cc513");
    // All 32 bytes, as the Collector's `hmac-sha256` has them.
    let whole = with([Rule::hash(["user.*"]).with_hash_bytes(32)]);
    let digests = attributes(&whole, &[("user.id", text("ann"))]);
    let Value::StringValue(ann) = &digests[0].1 else { panic!("{digests:?}") };
    assert_eq!(ann, "1c4fbb5afbadc9fe0f529f76024cc513e4f7d7dbe6a27d32d4cbd07cd1383d4d");
    let Value::StringValue(five) = &out[1].1 else { panic!("{out:?}") };
    assert_eq!(five, "5ce039f344719b94334c9b575f5176c7");
}

#[test]
fn matches_are_replaced_in_all_kinds_of_values_and_in_names() {
    let mask = with([Rule::mask_values(r"\d{4,}")]);
    let input = [
        ("a", text("no 12345 and 678901")),
        ("b", Value::IntValue(-123_456)),
        ("c", Value::IntValue(123)),
        ("d", array([text("a"), text("1234"), map([("k9999", text("y 7777"))])])),
        ("e", Value::BytesValue(b"id 4444".to_vec())),
        ("f", Value::BoolValue(true)),
    ];
    let expected = pairs(&[
        ("a", text("no **** and ****")),
        ("b", text("-****")),
        ("c", Value::IntValue(123)),
        ("d", array([text("a"), text("****"), map([("k****", text("y ****"))])])),
        ("e", text("id ****")),
        ("f", Value::BoolValue(true)),
    ]);
    assert_eq!(attributes(&mask, &input), expected);

    let mut named = span([]);
    named.name = "order 123456".to_owned();
    named.events.push(opentelemetry_proto::tonic::trace::v1::span::Event {
        name: "paid 5555".to_owned(),
        attributes: vec![support::attribute("k", text("8888"))],
        ..Default::default()
    });
    named.status = Some(opentelemetry_proto::tonic::trace::v1::Status {
        message: "no order 123456".to_owned(),
        code: 2,
    });
    let out = redacted(&mask, &named);
    assert_eq!((&*out.name, &*out.events[0].name), ("order ****", "paid ****"));
    assert_eq!(out.events[0].attributes[0], support::attribute("k", text("****")));
    assert_eq!(
        (&*out.status.clone().unwrap().message, out.status.unwrap().code),
        ("no order ****", 2)
    );
    let names: Vec<_> = mask.counts().into_iter().map(|count| (count.name, count.count)).collect();
    assert_eq!(names, [("mask".to_owned(), 8)]);
}

#[test]
fn a_rule_reaches_its_targets_alone() {
    let mask = with([Rule::mask_values("x").with_targets(Targets::of([Target::EventAttribute]))]);
    let mut input = span([("a", text("x"))]);
    input.name = "x".to_owned();
    input.events.push(opentelemetry_proto::tonic::trace::v1::span::Event {
        name: "x".to_owned(),
        attributes: vec![support::attribute("k", text("x"))],
        ..Default::default()
    });
    let mut expected = input.clone();
    expected.events[0].attributes[0] = support::attribute("k", text("****"));
    assert_eq!(redacted(&mask, &input), expected);
}

#[test]
fn rules_apply_in_their_order() {
    let rules = [
        Rule::rename("user", "person"),
        Rule::mask_values("ann").with_name("name"),
        Rule::delete(["person"]),
        Rule::new(Action::Truncate(3)),
    ];
    // The keys of a rule are those before any rule: `person` is not deleted.
    let out = attributes(&with(rules), &[("user", text("to ann"))]);
    assert_eq!(out, pairs(&[("person", text("to "))]));
}

#[test]
fn an_ignored_attribute_is_left_to_no_rule_behind() {
    let rules = [
        Rule::mask_values("first"),
        Rule::ignore(["id.*"]),
        Rule::new(Action::Ignore).with_value_pattern("@example.com$"),
        Rule::mask_values(r"[a-z]+@|\d{5}"),
        Rule::delete(["id.*", "former"]),
    ];
    let input = [
        ("id.a", text("ann@x.com first")),
        ("b", text("ann@example.com")),
        ("c", text("ann@x.com")),
        ("former", text("x")),
        ("id.d", Value::IntValue(123_456)),
        ("e", array([text("ann@example.com")])),
    ];
    let expected = pairs(&[
        ("id.a", text("ann@x.com ****")),
        input[1].clone(),
        ("c", text("****x.com")),
        input[4].clone(),
        // Elements are not ignored.
        ("e", array([text("****example.com")])),
    ]);
    assert_eq!(attributes(&with(rules.clone()), &input), expected);
    let mut named = span([]);
    named.name = "ann@example.com".to_owned();
    assert_eq!(redacted(&with(rules.clone()), &named), named);
    named.name = "ann@x.com".to_owned();
    assert_eq!(redacted(&with(rules), &named).name, "****x.com");
}

#[test]
fn a_rule_of_strings_leaves_other_values() {
    let mask = with([Rule::mask_values(r"\d{4}").with_strings_only(true)]);
    let input = [
        ("a", text("1234")),
        ("b", Value::IntValue(12_345)),
        ("c", array([text("1234")])),
        ("d", Value::BytesValue(b"1234".to_vec())),
    ];
    let mut expected = pairs(&input);
    expected[0].1 = text("****");
    assert_eq!(attributes(&mask, &input), expected);
}

#[test]
fn wrong_rules_are_errors_with_index_and_text() {
    let error = |rule: Rule| {
        let builder = Redactor::builder().with_rule(Rule::mask(["a"])).with_rule(rule);
        builder.build().unwrap_err().to_string()
    };
    assert_eq!(error(Rule::mask_values("(")), r#"rule 1 (mask): pattern "(": unclosed group"#);
    assert_eq!(
        error(Rule::mask_values("((a{999}){999}){999}")),
        r#"rule 1 (mask): pattern "((a{999}){999}){999}": it needs more than 1048576 bytes"#
    );
    assert_eq!(
        error(Rule::mask(["a"]).with_key_regex("[").with_name("keys")),
        r#"rule 1 (keys): pattern "[": unclosed character class"#
    );
    assert_eq!(
        error(Rule::new(Action::Allow)),
        "rule 1 (allow): it has no keys: allow and rename need them"
    );
    assert_eq!(
        error(Rule::rename("a", "b").with_value_pattern("x")),
        "rule 1 (rename): it has a value pattern: ignore, delete, mask and hash accept one"
    );
    assert_eq!(
        error(Rule::new(Action::Ignore)),
        "rule 1 (ignore): it ignores everything: name keys or a value pattern"
    );
    let long = Redactor::builder().with_rule(Rule::hash(["a"]).with_hash_bytes(33));
    assert_eq!(
        long.with_hash_key("a key of sixteen bytes").build().unwrap_err().to_string(),
        "rule 0 (hash): its hashes have another length: 8 to 32 bytes are accepted"
    );
    assert_eq!(
        error(Rule::hash(["a"])),
        "rule 1 (hash): it hashes without a key: set one of at least 16 bytes"
    );
    assert_eq!(
        error(Rule::mask(["a"]).with_targets(Targets::TEXTS)),
        "rule 1 (mask): it has keys and no target with a key: names and messages have none"
    );
    assert_eq!(
        error(Rule::mask(["a"]).with_targets(Targets::of([]))),
        "rule 1 (mask): it has no target: name at least one"
    );
    let short = Redactor::builder().with_hash_key("short").build().unwrap_err();
    assert_eq!(short, RedactError::HashKey { bytes: 5 });
    let many = (0..129).fold(Redactor::builder(), |it, _| it.with_rule(Rule::mask(["a"])));
    assert_eq!(many.build().unwrap_err().to_string(), "129 rules: at most 128 are accepted");
}

#[test]
fn nothing_shows_the_hash_key() {
    let builder = Redactor::builder().with_hash_key("canary-canary-canary");
    let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
}
