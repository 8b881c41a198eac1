//! Conditions: what holds, what is an error of evaluation, and what is an error of the text, with its place.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use spanwise_tail::{Decision, ErrorMode, OttlConditionPolicy, TailSampler};
use support::*;

fn list(values: Vec<Value>) -> Any {
    let values = values.into_iter().map(|value| AnyValue { value: Some(value) });
    Any(Value::ArrayValue(ArrayValue { values: values.collect() }))
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

/// One span with an event, under a resource and a scope with attributes.
fn trace() -> Vec<u8> {
    let map = Any(Value::KvlistValue(KeyValueList {
        values: vec![attribute("inner", "deep"), attribute("n", 7i64)],
    }));
    let mut span = Span {
        trace_state: "a=1,b=two".to_owned(),
        status: Some(Status { message: "it failed".to_owned(), code: 2 }),
        dropped_attributes_count: 3,
        dropped_events_count: 4,
        dropped_links_count: 5,
        ..with_times(span(0x0102, 0x0304), 0, 1_500)
    };
    for (key, value) in [
        ("text", Any::from("Hello")),
        ("int", 42i64.into()),
        ("double", 2.5.into()),
        ("whole", 42.0.into()),
        ("tiny", 1e-7.into()),
        ("nan", f64::NAN.into()),
        ("yes", true.into()),
        ("no", false.into()),
        ("number", "17".into()),
        ("empty", "".into()),
        ("bytes", Any(Value::BytesValue(vec![1, 255]))),
        ("list", list(vec![text("x"), text("y"), Value::IntValue(3)])),
        ("map", map),
    ] {
        span = with(span, key, value);
    }
    span = with_event(span, "exception", vec![attribute("exception.type", "Timeout")]);
    let mut resource = resource_spans(
        vec![attribute("service.name", "shop"), attribute("replicas", 3i64)],
        vec![("my-library", vec![span])],
    );
    resource.resource.as_mut().unwrap().dropped_attributes_count = 6;
    resource.scope_spans[0].scope.as_mut().unwrap().dropped_attributes_count = 8;
    encode(vec![resource])
}

/// Whether the condition holds; `None` if its evaluation fails.
fn holds(policy: OttlConditionPolicy) -> Option<bool> {
    holds_in(policy, &trace())
}

fn holds_in(policy: OttlConditionPolicy, trace: &[u8]) -> Option<bool> {
    let mut world = World::new(&config(vec![policy_of(policy)]));
    world.append(trace);
    world.pass(DECIDED);
    let failed = world.sampler.counts().policy_evaluation_errors > 0;
    (!failed).then(|| world.output.decisions[0].1 == Decision::Sampled)
}

fn policy_of(kind: OttlConditionPolicy) -> spanwise_tail::Policy {
    support::policy(kind)
}

fn check(conditions: &str, expected: Option<bool>) {
    for condition in conditions.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let policy = OttlConditionPolicy::span([condition]);
        let found = holds(policy.with_error_mode(ErrorMode::Propagate));
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn conditions_that_hold() {
    check(
        r#"
        true
        not false
        attributes["text"] == "Hello"
        span.attributes["text"] == "Hello"
        attributes["text"] != "hello"
        attributes["missing"] == nil
        attributes["missing"] != "x"
        nil == attributes["missing"]
        attributes["text"] != nil
        attributes["int"] == 42
        attributes["int"] == 42.0
        attributes["whole"] == 42
        attributes["int"] > 41 and attributes["int"] < 43
        attributes["int"] >= 42 and attributes["int"] <= 42
        attributes["double"] > 2
        attributes["yes"] == true
        attributes["yes"] > attributes["no"]
        attributes["no"] == false
        attributes["text"] > "Hallo"
        attributes["bytes"] == 0x01ff
        attributes["list"] == ["x", "y", 3]
        attributes["map"]["inner"] == "deep"
        attributes["map"]["missing"] == nil
        attributes["missing"]["deeper"] == nil
        attributes["list"][2] == 3
        attributes["map"] == attributes["map"]
        attributes["map"] != attributes["list"]
        resource.attributes["service.name"] == "shop"
        resource.attributes["replicas"] * 2 == 6
        resource.dropped_attributes_count == 6
        instrumentation_scope.name == "my-library"
        scope.version == "1.2"
        scope.attributes["scope.key"] == "my-library"
        instrumentation_scope.dropped_attributes_count == 8
        name == "span 772"
        kind == SPAN_KIND_SERVER
        kind.string == "Server"
        status.code == STATUS_CODE_ERROR
        status.message == "it failed"
        trace_state == "a=1,b=two"
        trace_state["b"] == "two"
        trace_state["c"] == ""
        trace_id == TraceID(0x00000000000000000000000000000102)
        trace_id != SpanID(0x0000000000000304)
        trace_id.string == "00000000000000000000000000000102"
        span_id.string == "0000000000000304"
        span_id == SpanID(0x0000000000000304)
        parent_span_id.string == "0000000000000001"
        parent_span_id != SpanID(0x0000000000000000)
        not IsRootSpan()
        end_time_unix_nano - start_time_unix_nano == 1500000000
        (end_time_unix_nano - start_time_unix_nano) / 1000000 > 1000
        dropped_attributes_count + dropped_events_count * dropped_links_count == 23
        (dropped_attributes_count + dropped_events_count) * dropped_links_count == 35
        7 / 2 == 3
        -7 / 2 == -3
        IsMatch(attributes["text"], "^H.*o$")
        IsMatch(attributes["int"], "^4")
        IsMatch(attributes["double"], "^2\\.5$")
        not IsMatch(attributes["missing"], ".*")
        IsString(attributes["text"]) and not IsString(attributes["int"])
        IsInt(attributes["int"]) and not IsInt(attributes["whole"])
        IsDouble(attributes["whole"]) and IsBool(attributes["no"])
        IsMap(attributes["map"]) and IsMap(attributes) and not IsMap(attributes["list"])
        IsList(attributes["list"]) and not IsList(attributes["text"])
        Len(attributes["text"]) == 5
        Len(attributes["list"]) == 3 and Len(attributes["map"]) == 2 and Len(attributes) == 13
        Concat([name, attributes["int"], attributes["missing"]], "-") == "span 772-42-<nil>"
        Concat([], "-") == ""
        Int(attributes["number"]) == 17
        Int(attributes["double"]) == 2
        Int(attributes["yes"]) == 1
        Double(attributes["number"]) == 17.0
        Double("Inf") > 1.0
        Int(attributes["nan"]) < 0
        String(attributes["tiny"]) == "1e-07"
        String(["<a>", 0x01ff]) == "[\"\\u003ca\\u003e\",\"Af8=\"]"
        String(attributes["int"]) == "42"
        String(attributes["yes"]) == "true"
        String(attributes["bytes"]) == "01ff"
        String(attributes["missing"]) == nil
        String(attributes["map"]) == "{\"inner\":\"deep\",\"n\":7}"
        String(attributes["list"]) == "[\"x\",\"y\",3]"
        String(attributes["whole"]) == "42"
        Bool("true") and Bool(1)
        Substring(attributes["text"], 1, 3) == "ell"
        Split("a,b,c", ",")[1] == "b"
        Len(Split("a,b,c", ",")) == 3
        HasPrefix(name, "span") and HasSuffix(name, "72")
        ToLowerCase(attributes["text"]) == "hello" and ToUpperCase("a") == "A"
        ContainsValue(attributes["list"], "y") and ContainsValue(["a", 1], 1)
        false or true and true
        (false or true) and true
        not (false or false) and true
        not false and (((name == "span 772")))
        "é" == "\u00e9"
        "#,
        Some(true),
    );
}

#[test]
fn conditions_that_do_not_hold() {
    check(
        r#"
        false
        attributes["text"] == "hello"
        attributes["text"] == 5
        attributes["text"] > 5
        attributes["int"] == "42"
        attributes["missing"] > 0
        attributes["missing"] == ""
        attributes["empty"] == nil
        attributes["map"] < attributes["map"]
        attributes["list"] == ["x", "y"]
        trace_id == span_id
        trace_id == 0x00000000000000000000000000000102
        nil != nil
        true and false or false
        not true
        kind == SPAN_KIND_CLIENT
        IsRootSpan()
        "#,
        Some(false),
    );
}

#[test]
fn evaluations_that_fail() {
    let failing = r#"
        Len(attributes["int"]) == 1
        Len(attributes["missing"]) == 0
        attributes["list"][3] == 1
        attributes["list"]["x"] == 1
        attributes["text"][0] == "H"
        attributes["int"] + attributes["double"] == 1
        attributes["text"] + "x" == "Hellox"
        1 / 0 == 1
        HasPrefix(attributes["int"], "4")
        Substring("ab", 1, 2) == "b"
        Substring("é", 1, 1) == "x"
        TraceID(0x01) == trace_id
        Int(attributes["map"]) == 1
        Int(attributes["text"]) == nil
        Double(attributes["text"]) == nil
        Double("1e999") > 0
        String(attributes["nan"]) == "NaN"
        IsMatch([attributes["nan"]], ".*")
        Bool("maybe")
        Concat("x", "-") == "x"
        String(attributes["text"])
        "#;
    check(failing, None);
    for condition in failing.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert_eq!(holds(OttlConditionPolicy::span([condition])), Some(false), "{condition}");
        for mode in [ErrorMode::Ignore, ErrorMode::Silent] {
            let policy = OttlConditionPolicy::span([condition, "name == \"other\""]);
            assert_eq!(holds(policy.with_error_mode(mode)), Some(false), "{condition}");
            // The next condition is evaluated.
            let policy = OttlConditionPolicy::span([condition, "true"]);
            assert_eq!(holds(policy.with_error_mode(mode)), Some(true), "{condition}");
        }
    }
    // A condition that decides ends the evaluation.
    check("true or Len(1) == 1\n not (false and Len(1) == 1)", Some(true));
}

#[test]
fn a_malformed_trace_state_has_no_members() {
    for (state, expected) in [("vendor=a", false), ("vendor=a,x", true)] {
        let span = Span { trace_state: state.to_owned(), ..span(1, 1) };
        let policy = OttlConditionPolicy::span(["trace_state[\"other\"] == nil"]);
        assert_eq!(holds_in(policy, &request(vec![span])), Some(expected), "{state}");
    }
}

#[test]
fn conditions_over_events() {
    for (condition, expected) in [
        (r#"name == "exception""#, true),
        (r#"spanevent.name == "exception""#, true),
        (r#"attributes["exception.type"] == "Timeout""#, true),
        (
            r#"spanevent.attributes["exception.type"] == "Timeout" and span.name == "span 772""#,
            true,
        ),
        (r#"resource.attributes["service.name"] == "shop""#, true),
        (r#"time_unix_nano == span.start_time_unix_nano"#, true),
        (r#"dropped_attributes_count == 0 and span.dropped_attributes_count == 3"#, true),
        (r#"Len(attributes) == 1"#, true),
        (r#"attributes["text"] == "Hello""#, false),
    ] {
        let none: [&str; 0] = [];
        let policy = OttlConditionPolicy::span(none).or_span_event([condition]);
        assert_eq!(holds(policy), Some(expected), "{condition}");
    }
}

#[test]
fn errors_of_a_condition_have_their_place() {
    let check = |condition: &str, expected: &str| {
        let settings = config(vec![policy_of(OttlConditionPolicy::span([condition]))]);
        let error =
            TailSampler::new(&settings, std::time::Instant::now()).err().unwrap().to_string();
        assert!(error.contains(&format!("\": {expected}")), "{error} instead of {expected}");
    };
    check("", "1:1: a value is expected, not the end");
    check("name", "1:1: a comparison such as `==` is expected, not the end");
    check("name ==", "1:6: a value is expected, not the end");
    check("name == \"a\" name", "1:13: `and`, `or` or the end is expected, not `name`");
    check("name = \"a\"", "1:6: a comparison such as `==` is expected, not `=`");
    check("not not true", "1:5: a value is expected, not `not`");
    check("(name == \"a\"", "1:10: `)` is expected, not the end");
    check(
        "name == \"a\" and\n  Foo(1) == 2",
        "2:3: the function `Foo` is not supported; accepted are",
    );
    check("1 == Now()", "1:6: the function `Now` is not supported");
    check("Len() == 1", "1:1: `Len` takes 1 arguments, not 0");
    check("isMatch(name, \"a\")", "1:1: function names begin with a capital, unlike `isMatch`");
    check("IsMatch(name, attributes[\"x\"])", "1:1: the pattern of `IsMatch` must be a string");
    check("IsMatch(name, \"(\")", "1:15: \"(\" is not a regular expression: unclosed group");
    check("IsMatch(target = name, pattern = \"a\")", "1:16: named arguments are not supported");
    check("kind == SPAN_KIND_SERVR", "1:9: the enum `SPAN_KIND_SERVR` is not known");
    check(
        "nam == \"a\"",
        "1:1: the path `nam` is not supported; accepted is of a span `attributes`",
    );
    check(
        "resource.name == \"a\"",
        "1:1: the path `resource.name` is not supported; accepted is of a resource `attributes`",
    );
    check("cache[\"x\"] == 1", "1:1: the path `cache[\"x\"]` is not supported");
    check("spanevent.name == \"a\"", "1:1: `spanevent` is not available in conditions of `span`");
    check("attributes[0] == 1", "1:1: the path `attributes[0]` is not supported");
    check("attributes[name] == 1", "1:12: a string or a number as key is expected, not `name`");
    check("attributes == {\"a\": 1}", "1:15: maps are not supported in conditions");
    check("1-1 == 0", "1:2: a comparison such as `==` is expected, not `-1`");
    check(&"(".repeat(100), "1:65: the condition is nested too deeply");
    check(
        &format!("{}true{}", "(".repeat(100), ")".repeat(100)),
        "1:65: the condition is nested too deeply",
    );
    check(
        &format!("{}1{} == 1", "(".repeat(100), ")".repeat(100)),
        "1:64: the condition is nested too deeply",
    );
    check(&format!("1{} == 1", " + 1".repeat(1_000)), "1:");
    check(&"x".repeat(70_000), "1:1: the condition has more than 65536 bytes");
}
