//! Rules from files: the section of our own, its mistakes, and files that are hostile.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_config::{Document, Problems, Read};
use spanwise_redact::{Action, Preset, Redactor, RedactorBuilder, Rule, Target, Targets};
use std::time::{Duration, Instant};
use support::{array, attributes, redacted, span, text};

const KEY: &str = "canary-canary-canary-canary-canary";

/// Reads a text with the variables `KEY` and `PATTERN`.
fn read(text: &str) -> Result<Read<RedactorBuilder>, Problems> {
    let environment = |name: &str| match name {
        "KEY" => Some(KEY.to_owned()),
        "PATTERN" => Some("(canary".to_owned()),
        _ => None,
    };
    let document = Document::parse("r.yaml", text.as_bytes(), environment)?;
    RedactorBuilder::from_document(&document, None)
}

fn redactor(text: &str) -> Redactor {
    read(text).unwrap_or_else(|problems| panic!("{problems}")).value.build().unwrap()
}

/// The first problem, without the name of the file.
fn problem(text: &str) -> String {
    let Err(problems) = read(text) else { panic!("no error: {text}") };
    let first = problems.iter().next().unwrap().to_string();
    first.strip_prefix("r.yaml:").unwrap().to_owned()
}

#[test]
fn a_section_has_the_rules_of_code() {
    let of_file = redactor(
        r#"
redaction:
  hash_key: ${KEY}
  presets: [email]
  rules:
    - {name: routes, action: allow, keys: ["http.*", "user.*", note, ids, renamed], targets: [span.attributes]}
    - {action: ignore, values: ["@example.com$"], strings_only: true}
    - {action: delete, keys: [http.cookie]}
    - {action: hash, keys: [user.id], hash_bytes: 32}
    - {action: mask, key_patterns: ["(?i)PASSW"], values: ["[0-9]{4,}", "top secret"]}
    - {action: truncate, characters: 3, keys: [note]}
    - {action: rename, keys: [http.old], to: http.new}
    - {name: numbers, action: mask, values: ["[0-9]{5}"], targets: [span.name, span.attributes]}
"#,
    );
    let of_code = Redactor::builder()
        .with_hash_key(KEY)
        .with_rule(
            Rule::allow(["http.*", "user.*", "note", "ids", "renamed"])
                .with_targets(Targets::of([Target::SpanAttribute])),
        )
        .with_rule(
            Rule::new(Action::Ignore).with_value_pattern("@example.com$").with_strings_only(true),
        )
        .with_rule(Rule::delete(["http.cookie"]))
        .with_rule(Rule::hash(["user.id"]).with_hash_bytes(32))
        .with_rule(
            Rule::new(Action::Mask)
                .with_key_regex("(?i)PASSW")
                .with_value_pattern("[0-9]{4,}|top secret"),
        )
        .with_rule(Rule::new(Action::Truncate(3)).with_keys(["note"]))
        .with_rule(Rule::rename("http.old", "http.new"))
        .with_rule(
            Rule::mask_values("[0-9]{5}")
                .with_targets(Targets::of([Target::SpanName, Target::SpanAttribute])),
        )
        .with_preset(Preset::Email)
        .build()
        .unwrap();
    let mut span = span([
        ("http.cookie", text("a=b")),
        ("http.old", text("ann@example.com 12345")),
        ("http.password", text("top secret 1234")),
        ("user.id", Value::IntValue(7)),
        ("note", text("a long note")),
        ("ids", array([text("ann@example.com"), Value::IntValue(123_456)])),
        ("other", text("x")),
    ]);
    span.name = "ann@x.com 12345".to_owned();
    let expected = redacted(&of_code, &span);
    assert_eq!(redacted(&of_file, &span), expected);
    assert_eq!(expected.name, "**** ****");
    assert_eq!(expected.attributes.len(), 5);
    let names: Vec<_> = of_file.counts().into_iter().map(|count| count.name).collect();
    let expected =
        ["routes", "ignore", "delete", "hash", "mask", "truncate", "rename", "numbers", "email"];
    assert_eq!(names, expected);
}

#[test]
fn a_section_stands_alone_and_has_all_presets() {
    for file in [
        "presets: all",
        "presets: [all]",
        "redaction: {presets: all}",
        "redaction:\n  presets: [url, secrets, email, payment_card, ip_address, database_query]",
    ] {
        let all = Redactor::builder().with_all_presets();
        assert_eq!(format!("{:?}", read(file).unwrap().value), format!("{all:?}"), "{file}");
    }
}

#[test]
fn mistakes_have_the_index_and_the_text_of_the_rule_and_its_place() {
    let targets = "`span.attributes`, `event.attributes`, `link.attributes`, `resource.attributes`, `scope.attributes`, `span.name`, \
                   `event.name` or `status.message`";
    let presets =
        "`url`, `secrets`, `email`, `payment_card`, `ip_address`, `database_query` or `all`";
    let actions = "`allow`, `ignore`, `delete`, `mask`, `hash`, `truncate` or `rename`";
    for (rule, expected) in [
        (
            "{action: mask, values: ['a', '(b']}",
            "1:54: rules[1].values[1]: the pattern \"(b\" does not compile: unclosed group".to_owned(),
        ),
        (
            "{action: mask, values: ['((a{999}){999}){999}']}",
            "1:49: rules[1].values[0]: the pattern \"((a{999}){999}){999}\" does not compile: it needs more than 1048576 bytes".to_owned(),
        ),
        (
            "{action: mask, values: ['${PATTERN}']}",
            "1:49: rules[1].values[0]: the pattern \"${PATTERN}\" does not compile: unclosed group".to_owned(),
        ),
        (
            "{action: mask, key_patterns: ['']}",
            "1:55: rules[1].key_patterns[0]: the pattern is empty: it would match everywhere".to_owned(),
        ),
        (
            "{action: mask, keys: []}",
            "1:46: rules[1].keys: the list is empty: leave out the key, or name at least one".to_owned(),
        ),
        ("{action: mask, keys: [~]}", "1:47: rules[1].keys[0]: a value is expected, not nothing".to_owned()),
        ("{action: mask, keys: [7]}", "1:47: rules[1].keys[0]: a string is expected; put `7` in quotes".to_owned()),
        (
            "{action: mask, name: \"a\\e[31m\"}",
            "1:46: rules[1].name: a name on one line is expected, without control characters".to_owned(),
        ),
        ("{action: maks}", format!("1:34: rules[1].action: `maks` is not known; did you mean `mask`?; accepted is {actions}")),
        ("{keys: [a]}", "1:25: rules[1].action: it is required".to_owned()),
        ("{action: mask, key: [a]}", "1:40: rules[1].key: unknown key; did you mean `keys`?".to_owned()),
        (
            "{action: mask, targets: [attributes]}",
            format!("1:50: rules[1].targets[0]: `attributes` is not known; accepted is {targets}"),
        ),
        ("{action: mask, to: b}", "1:44: rules[1].to: only the action `rename` has it".to_owned()),
        ("{action: rename, keys: [a]}", "1:25: rules[1].to: it is required".to_owned()),
        ("{action: truncate}", "1:25: rules[1].characters: it is required".to_owned()),
        ("{action: truncate, characters: -1}", "1:56: rules[1].characters: a whole number from 0 to 4294967295 is expected, not `-1`".to_owned()),
        ("{action: allow}", "1:25: rules[1]: it has no keys: allow and rename need them".to_owned()),
        (
            "{action: hash, keys: [a]}",
            "1:25: rules[1]: it hashes without a key: set `hash_key` beside `rules`, such as `\"${HASH_KEY}\"`".to_owned(),
        ),
    ] {
        assert_eq!(problem(&format!("rules: [{{action: mask}}, {rule}]")), expected, "{rule}");
    }
    assert_eq!(
        problem("presets: [emails]"),
        format!(
            "1:11: presets[0]: `emails` is not known; did you mean `email`?; accepted is {presets}"
        )
    );
    assert_eq!(
        problem("presets: [email, email]"),
        "1:18: presets[1]: the preset is in the list already"
    );
    assert_eq!(
        problem("redaction: {}"),
        "1:12: redaction: it has neither rules nor presets: nothing would be redacted"
    );
    assert_eq!(
        problem("a: b"),
        "1:1: the file has no section `redaction`, and no processor `redaction` or `attributes`"
    );
    assert_eq!(
        problem("redaction: 7"),
        "1:12: redaction: a mapping (lines of `key: value`) is expected, not a whole number"
    );
    assert_eq!(
        problem("processors: {redaction/a: {}, attributes: {}}"),
        "1:1: the file has several processors: choose one of `redaction/a`, `attributes`"
    );
}

#[test]
fn nothing_shows_a_hash_key() {
    let key = |text: &str| format!("{text}\nrules: [{{action: hash, keys: [a]}}]");
    let mut shown = Vec::new();
    for text in [
        "hash_key: canary",
        "hash_key: [canary-canary-canary]",
        "hash_key: {canary-canary-canary: x}",
        "hash_key: 1234567890123456",
        "hash_key: ${KEY}\nhash_keys: ${KEY}",
        "hash_key: ${KEY:x}",
    ] {
        let text = key(text);
        let problems = read(&text).map(drop).unwrap_err();
        shown.push(format!("{problems} {problems:?}"));
    }
    let read = read(&key("hash_key: ${KEY}")).unwrap();
    assert_eq!(read.warnings, []);
    shown.push(format!("{:?} {:?}", read.value, read.value.clone().build().unwrap()));
    let plain = self::read(&key("hash_key: canary-canary-canary")).unwrap();
    assert_eq!(
        plain.warnings[0].to_string(),
        "r.yaml:1:11: hash_key: the key is in the file itself; `${NAME}` reads an environment variable"
    );
    shown.push(format!("{:?}", plain.value));
    for shown in shown {
        let is_free = |secret: &str| !shown.contains(secret);
        assert!(is_free("canary") && is_free("1234567") && is_free("99, 97, 110"), "{shown}");
    }
    let collector =
        "redaction: {allow_all_keys: true, hash_function: hmac-sha256, hmac_key: canary}";
    let problems = self::read(collector).map(drop).unwrap_err().to_string();
    assert_eq!(
        problems,
        "r.yaml:1:73: redaction.hmac_key: the key has 6 bytes: at least 32 are accepted"
    );
}

/// The time in which a file has to be read or refused. It is generous: tests run beside others, without optimization.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_hostile_file_is_read_or_refused_in_bounded_time() {
    let many = |count: usize, element: &str| vec![element; count].join(", ");
    let numbered = |count: usize, of: &dyn Fn(usize) -> String| {
        (0..count).map(of).collect::<Vec<_>>().join(", ")
    };
    let start = Instant::now();
    let refused = [
        format!("rules: [{}]", many(100_000, "{}")),
        format!("rules: [{}]", many(40_000, "{}")),
        format!("rules: [{}]", many(129, "{action: mask}")),
        format!("rules: [{{action: mask, keys: [{}]}}]", numbered(50_000, &|it| format!("k{it}"))),
        format!(
            "rules: [{{action: mask, values: [{}]}}]",
            numbered(5_000, &|it| format!("v{it}x+"))
        ),
        format!("{}x{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{}x", "redaction: {rules: ".repeat(1_000)),
        format!("rules: [{{action: mask, values: ['{}']}}]", "(".repeat(9_000)),
        format!(
            "rules: [{{action: mask, values: ['{}a{}']}}]",
            "(".repeat(4_000),
            ")".repeat(4_000)
        ),
        format!("rules: [{{action: mask, values: ['{}']}}]", "a".repeat(20_000)),
        format!("rules: [{{action: mask, values: ['{}']}}]", "(a{1,9}){1,999}".repeat(9)),
        format!("attributes: {{actions: [{}]}}", many(500, "{key: a, action: delete}")),
        format!("redaction: {{blocked_values: [{}]}}", many(500, "a")),
        format!("x: {}", "y".repeat(2 << 20)),
    ];
    for text in refused {
        assert!(read(&text).is_err(), "{}…", &text[..60]);
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    // Patterns that cost a backtracking matcher exponential time.
    for pattern in ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){20}", "([a-z]+)*="] {
        let redactor = redactor(&format!("rules: [{{action: mask, values: ['{pattern}']}}]"));
        let start = Instant::now();
        attributes(&redactor, &[("k", text(&"a".repeat(20_000)))]);
        assert!(start.elapsed() < PATIENCE, "{pattern}: {:?}", start.elapsed());
    }
}
