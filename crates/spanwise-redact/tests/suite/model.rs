//! Rules and spans at random against a model over the published types, which applies each rule to each value, one after the other.

use crate::support;

use hmac::{Hmac, KeyInit as _, Mac as _};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use proptest::prelude::*;
use prost::Message as _;
use regex::bytes::Regex;
use sha2::Sha256;
use spanwise_redact::{Action, Redacted, Redactor, Rule, Scratch, Target, Targets};
use std::collections::HashSet;
use support::{array, attribute, text};

const HASH_KEY: &[u8] = b"a key of sixteen bytes";

/// A rule of the model.
#[derive(Debug, Clone)]
struct ModelRule {
    action: Action,
    keys: Vec<&'static str>,
    pattern: Option<&'static str>,
    targets: Vec<Target>,
}

impl ModelRule {
    fn rule(&self) -> Rule {
        let rule = Rule::new(self.action.clone()).with_keys(self.keys.clone());
        let rule = rule.with_targets(Targets::of(self.targets.clone()));
        self.pattern.into_iter().fold(rule, Rule::with_value_pattern)
    }

    fn has_key(&self, key: &str) -> bool {
        self.keys.iter().any(|glob| is_match(glob.as_bytes(), key.as_bytes()))
    }
}

fn is_match(glob: &[u8], key: &[u8]) -> bool {
    match (glob.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            is_match(rest, key) || key.split_first().is_some_and(|(_, key)| is_match(glob, key))
        }
        (Some((one, glob)), Some((other, key))) => {
            (one == other || *one == b'?') && is_match(glob, key)
        }
        _ => false,
    }
}

fn secret(action: &Action, bytes: &[u8]) -> String {
    if *action != Action::Hash {
        return "****".to_owned();
    }
    let mut hash = Hmac::<Sha256>::new_from_slice(HASH_KEY).unwrap();
    hash.update(bytes);
    hash.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The text after a rule; `None` if it is deleted.
fn of_text(rule: &ModelRule, text: &str) -> Option<String> {
    let Some(pattern) = rule.pattern else {
        return match &rule.action {
            Action::Delete => None,
            Action::Truncate(chars) => Some(text.chars().take(*chars).collect()),
            Action::Mask if text == "****" => Some(text.to_owned()),
            action => Some(secret(action, text.as_bytes())),
        };
    };
    let regex = Regex::new(&format!("(?-u){pattern}")).unwrap();
    if rule.action == Action::Delete {
        return (!regex.is_match(text.as_bytes())).then(|| text.to_owned());
    }
    let mut out = String::new();
    let mut copied = 0;
    for found in regex.find_iter(text.as_bytes()).filter(|found| !found.is_empty()) {
        out.push_str(&text[copied..found.start()]);
        out.push_str(&secret(&rule.action, found.as_bytes()));
        copied = found.end();
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The value after a rule, which applies to all of it or to entries of maps with one of its keys.
fn of_value(rule: &ModelRule, value: Value, is_covered: bool, path: &str) -> Option<Value> {
    if is_covered && rule.pattern.is_none() {
        match (&rule.action, &value) {
            (Action::Delete, _) => return None,
            (Action::Mask | Action::Hash, Value::StringValue(text)) => {
                return of_text(rule, text).map(Value::StringValue);
            }
            (Action::Hash, Value::IntValue(number)) => {
                return Some(text(&secret(&rule.action, number.to_string().as_bytes())));
            }
            (Action::Mask, _) => return Some(text("****")),
            // Equal values have equal bytes.
            (Action::Hash, _) => {
                let bytes = support::any(value).encode_to_vec();
                return Some(text(&secret(&rule.action, &bytes)));
            }
            _ => {}
        }
    }
    let is_truncation = matches!(rule.action, Action::Truncate(_));
    let by_text = |value: Value, was: String| {
        let new = of_text(rule, &was)?;
        Some(if new == was { value } else { text(&new) })
    };
    match value {
        Value::ArrayValue(list) => {
            let values = list.values.into_iter().filter_map(|it| it.value);
            Some(array(values.filter_map(|it| of_value(rule, it, is_covered, path))))
        }
        Value::KvlistValue(mut map) => {
            let entries = std::mem::take(&mut map.values).into_iter();
            map.values =
                entries.filter_map(|entry| of_entry(rule, entry, is_covered, path)).collect();
            Some(Value::KvlistValue(map))
        }
        value if !is_covered => Some(value),
        Value::StringValue(was) => of_text(rule, &was).map(Value::StringValue),
        Value::IntValue(number) if !is_truncation => by_text(value, number.to_string()),
        Value::DoubleValue(number) if !is_truncation && number.fract() == 0.0 => {
            by_text(value, (number as i64).to_string())
        }
        Value::BytesValue(ref bytes) => {
            let was = String::from_utf8_lossy(bytes).into_owned();
            by_text(value, was)
        }
        value => Some(value),
    }
}

fn of_entry(rule: &ModelRule, entry: KeyValue, is_covered: bool, path: &str) -> Option<KeyValue> {
    let path = format!("{path}.{}", entry.key);
    let has_key = rule.has_key(&entry.key) || rule.has_key(&path);
    let key = match is_covered && rule.pattern.is_some() {
        true => of_text(rule, &entry.key)?,
        false => entry.key,
    };
    let value = entry.value.and_then(|it| it.value)?;
    let value = of_value(rule, value, is_covered || has_key, &path)?;
    Some(attribute(&key, value))
}

fn of_attributes(rules: &[ModelRule], target: Target, list: Vec<KeyValue>) -> Vec<KeyValue> {
    let rules: Vec<_> = rules.iter().filter(|rule| rule.targets.contains(&target)).collect();
    let mut present: HashSet<String> = list.iter().map(|it| it.key.clone()).collect();
    let of_one = |attribute_before: KeyValue| {
        let key = attribute_before.key.clone();
        let allows: Vec<_> = rules.iter().filter(|rule| rule.action == Action::Allow).collect();
        if !allows.is_empty() && !allows.iter().any(|rule| rule.has_key(&key)) {
            return None;
        }
        let mut new_key = key.clone();
        let mut value = attribute_before.value?.value?;
        for rule in rules.iter().filter(|rule| rule.action != Action::Allow) {
            let is_covered = rule.keys.is_empty() || rule.has_key(&key);
            match &rule.action {
                Action::Rename(to) if is_covered && *to != new_key => {
                    if !present.insert(to.clone()) {
                        return None;
                    }
                    new_key.clone_from(to);
                }
                Action::Rename(_) => {}
                _ => value = of_value(rule, value, is_covered, &key)?,
            }
        }
        Some(attribute(&new_key, value))
    };
    list.into_iter().filter_map(of_one).collect()
}

fn of_name(rules: &[ModelRule], target: Target, name: &str) -> String {
    // An empty text is not encoded.
    let rules = rules.iter().filter(|_| !name.is_empty());
    let rules = rules.filter(|rule| rule.targets.contains(&target) && rule.keys.is_empty());
    rules.fold(name.to_owned(), |name, rule| {
        of_text(rule, &name).unwrap_or_else(|| "****".to_owned())
    })
}

fn of_span(rules: &[ModelRule], mut span: Span) -> Span {
    span.name = of_name(rules, Target::SpanName, &span.name);
    span.attributes = of_attributes(rules, Target::SpanAttribute, span.attributes);
    for event in &mut span.events {
        event.name = of_name(rules, Target::EventName, &event.name);
        let attributes = std::mem::take(&mut event.attributes);
        event.attributes = of_attributes(rules, Target::EventAttribute, attributes);
    }
    for link in &mut span.links {
        let attributes = std::mem::take(&mut link.attributes);
        link.attributes = of_attributes(rules, Target::LinkAttribute, attributes);
    }
    if let Some(status) = &mut span.status {
        status.message = of_name(rules, Target::StatusMessage, &status.message);
    }
    span
}

const KEYS: &[&str] = &["a", "b", "user", "user.id", "http.x", "key", "über", ""];
const GLOBS: &[&str] = &["a", "user*", "*.x", "?", "*", "u*r.*d", "b", "*key", "http.*", "user.a"];
const PATTERNS: &[&str] = &[
    "a+",
    "[0-9]{3,}",
    "x|yz",
    r"\bab",
    "(?i)KEY=[^ ]+",
    r"\*{4}",
    "ab?c?",
    "^[0-9]+$",
    "[a-f0-9]{8}",
    "(?:[0-9]{2}-)+[0-9]",
    r"b\s*=\s*[x-z]",
    "u.*r$",
    "(a|b)(1|2)x",
];

fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "ab", "x", "yz", "1", "120", "4567", "key=", " ", "=", "b = z", "12-34-5", "é",
        "****", "user", "abc", "deadbeef", "a2x", ".",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => texts().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        2 => (-20_000i64..2_000_000).prop_map(Value::IntValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => (0..5_000_000u32).prop_map(|number| Value::DoubleValue(f64::from(number) / 4.0)),
        1 => texts().prop_map(|text| Value::BytesValue(text.into_bytes())),
        1 => (0..200usize).prop_map(|len| text(&"ab1 ".repeat(len))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(KEYS);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(array),
            prop::collection::vec((key, inner), 0..4).prop_map(support::map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let one = (prop::sample::select(KEYS), values());
    let one = one.prop_map(|(key, value)| attribute(key, value));
    prop::collection::vec(one, 0..6)
}

fn spans() -> impl Strategy<Value = Span> {
    let event = (texts(), attributes()).prop_map(|(name, attributes)| Event {
        name,
        attributes,
        dropped_attributes_count: 3,
        time_unix_nano: 7,
    });
    let link = attributes().prop_map(|attributes| Link {
        attributes,
        trace_id: vec![1; 16],
        flags: 0x101,
        ..Link::default()
    });
    let (events, links) = (prop::collection::vec(event, 0..3), prop::collection::vec(link, 0..3));
    let status = prop::option::of(texts());
    (texts(), attributes(), events, links, status).prop_map(
        |(name, attributes, events, links, it)| {
            let status = it
                .map(|message| opentelemetry_proto::tonic::trace::v1::Status { message, code: 2 });
            Span {
                trace_id: vec![7; 16],
                span_id: vec![9; 8],
                start_time_unix_nano: 1 << 60,
                flags: 0x101,
                dropped_attributes_count: 5,
                name,
                attributes,
                events,
                links,
                status,
                ..Span::default()
            }
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<ModelRule>> {
    let action = prop_oneof![
        4 => Just(Action::Mask),
        2 => Just(Action::Delete),
        2 => Just(Action::Hash),
        1 => (0..6usize).prop_map(Action::Truncate),
        2 => prop::sample::select(KEYS).prop_filter("empty", |it| !it.is_empty())
            .prop_map(|to| Action::Rename(to.to_owned())),
        1 => Just(Action::Allow),
    ];
    let keys = prop::collection::vec(prop::sample::select(GLOBS), 0..3);
    let pattern = prop::option::of(prop::sample::select(PATTERNS));
    let targets = prop::sample::subsequence(Target::ALL.to_vec(), 1..8);
    let rule = (action, keys, pattern, targets).prop_map(
        |(action, mut keys, mut pattern, mut targets)| {
            if matches!(action, Action::Allow | Action::Rename(_)) {
                keys.push("user*");
                targets.truncate(4);
                targets.retain(|it| Targets::ATTRIBUTES.contains(*it));
                targets.push(Target::SpanAttribute);
            }
            if matches!(action, Action::Allow | Action::Rename(_) | Action::Truncate(_)) {
                pattern = None;
            }
            // Keys need a target with a key.
            if !targets.iter().any(|it| Targets::ATTRIBUTES.contains(*it)) {
                keys.clear();
            }
            ModelRule { action, keys, pattern, targets }
        },
    );
    prop::collection::vec(rule, 1..6)
}

fn redactor(rules: &[ModelRule]) -> Redactor {
    let builder = rules.iter().fold(Redactor::builder(), |it, rule| it.with_rule(rule.rule()));
    builder.with_hash_key(HASH_KEY).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_rewriter_does_as_the_model(rules in rules(), span in spans()) {
        let redactor = redactor(&rules);
        let bytes = span.encode_to_vec();
        let mut scratch = Scratch::default();
        let expected = of_span(&rules, span.clone());
        let actual = match redactor.redact_span(&bytes, &mut scratch) {
            Redacted::Unchanged => span.clone(),
            Redacted::Changed(new) => {
                prop_assert!(new != bytes, "the result is Changed, and the bytes are the same");
                Span::decode(new).unwrap()
            }
        };
        prop_assert_eq!(&actual, &expected);
        prop_assert_eq!(redactor.failures(), 0);

        // Explanations are the actions that are counted.
        let explained = redactor.explain(&bytes);
        for (index, count) in redactor.counts().into_iter().enumerate() {
            let actions = explained.iter().filter(|it| it.rule == Some(index)).count() as u64;
            prop_assert_eq!(actions, count.count, "rule {}", index);
        }
    }

    #[test]
    fn masks_and_deletions_are_final(rules in rules(), span in spans()) {
        let is_final = |rule: &&ModelRule| matches!(rule.action, Action::Mask | Action::Delete);
        // A pattern may match in the mask, or beside it.
        let without_pattern = |rule: &ModelRule| ModelRule { pattern: None, ..rule.clone() };
        let rules: Vec<_> = rules.iter().filter(is_final).map(without_pattern).collect();
        let redactor = redactor(&rules);
        let (mut one, mut two) = (Scratch::default(), Scratch::default());
        let bytes = span.encode_to_vec();
        if let Redacted::Changed(once) = redactor.redact_span(&bytes, &mut one) {
            let counts = redactor.counts();
            prop_assert_eq!(redactor.redact_span(once, &mut two), Redacted::Unchanged);
            prop_assert_eq!(redactor.counts(), counts);
        }
    }
}
