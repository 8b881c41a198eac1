//! The Collector's processor `redaction`, version 0.161.

use super::fields::{exact_key, flag, go_patterns, hash_key, strings};
use crate::builder::RedactorBuilder;
use crate::error::RedactError;
use crate::rule::{Action, Rule, Target, Targets};
use spanwise_config::{Field, Mapping};

/// Reads the block. The order of the rules is that in which the processor looks at an attribute.
pub(super) fn read(field: &Field<'_>) -> RedactorBuilder {
    let mapping = field.mapping(KEYS);
    let (hash, key) = hash_function(&mapping);
    let strings_only = !flag(&mapping, "redact_all_types");
    for sanitizer in ["url_sanitizer", "db_sanitizer"] {
        report_sanitizer(&mapping.get(sanitizer));
    }
    let summary = mapping.get("summary").choice(&[
        ("debug", true),
        ("info", true),
        ("silent", false),
        ("", false),
    ]);
    if summary == Some(true) {
        let message = "it has no effect: the counts of the rules have what the attributes of the Collector have";
        mapping.get("summary").warning(message);
    }
    let mut rules = Vec::new();
    let ignored = exact_and(&mapping, "ignored_keys", "ignored_key_patterns");
    if !ignored.is_empty() {
        rules.push(keys(Rule::new(Action::Ignore), &ignored).with_name("ignored_keys"));
    }
    let allowed = strings(&mapping.get("allowed_keys"));
    if !flag(&mapping, "allow_all_keys") {
        let exact = allowed.iter().chain(&SUMMARY_KEYS).map(|key| exact_key(key));
        let all: Vec<String> = exact.chain(ignored).collect();
        rules.push(keys(Rule::new(Action::Allow), &all).with_name("allowed_keys"));
    }
    let value = |action: &Action, pattern: String, name: String| {
        Rule::new(action.clone())
            .with_value_pattern(pattern)
            .with_strings_only(strings_only)
            .with_name(name)
    };
    for (index, pattern) in go_patterns(&mapping.get("allowed_values")).into_iter().enumerate() {
        rules.push(value(&Action::Ignore, pattern, format!("allowed_values[{index}]")));
    }
    let action = if hash { Action::Hash } else { Action::Mask };
    let blocked = go_patterns(&mapping.get("blocked_key_patterns"));
    if !blocked.is_empty() {
        rules.push(keys(Rule::new(action.clone()), &blocked).with_name("blocked_key_patterns"));
        // Patterns of values do not look at the mask or hash.
        let rest = keys(Rule::new(Action::Ignore), &blocked);
        rules.push(rest.with_name("blocked_key_patterns"));
    }
    for (index, pattern) in go_patterns(&mapping.get("blocked_values")).into_iter().enumerate() {
        rules.push(value(&action, pattern, format!("blocked_values[{index}]")));
    }
    if rules.len() > RedactError::MAX_RULES {
        let (found, most) = (rules.len(), RedactError::MAX_RULES);
        field.error(format!("{found} patterns of values: at most {most} are accepted"));
        rules.clear();
    }
    let rules =
        rules.into_iter().map(|rule| rule.with_targets(targets()).with_hash_bytes(HASH_BYTES));
    let builder = rules.fold(RedactorBuilder::default(), RedactorBuilder::with_rule);
    match key {
        Some(key) => builder.with_hash_key(key),
        None => builder,
    }
}

/// Whether matches are hashed, and the key. An unkeyed hash can be undone by trying values: ours is keyed in any case.
fn hash_function(mapping: &Mapping<'_>) -> (bool, Option<Vec<u8>>) {
    let field = mapping.get("hash_function");
    let text = field.string().map(str::to_ascii_lowercase);
    let known = ["sha1", "sha3", "md5", "hmac-sha256", "hmac-sha512"];
    let function = match text.as_deref() {
        None | Some("") => "",
        Some(text) => match known.iter().find(|name| **name == text) {
            Some(name) => name,
            // The error lists them.
            None => {
                let _reported = field.choice(&known.map(|name| (name, ())));
                ""
            }
        },
    };
    let key = mapping.get("hmac_key");
    if function.starts_with("hmac") && !key.has_value() {
        key.error(format!("`hash_function: {function}` needs it"));
    }
    match function {
        "" | "hmac-sha256" => {}
        "hmac-sha512" => field.warning("the hashes are those of hmac-sha256 with the same key"),
        _ => field.warning(format!(
            "the hashes are those of hmac-sha256, because values can be tried against {function}, which has no key: set hmac_key, or \
             with_hash_key in code"
        )),
    }
    let min = if function == "hmac-sha512" { 64 } else { 32 };
    (!function.is_empty(), hash_key(key, min))
}

/// Sanitizers have no equal among the rules: they load if they are off.
fn report_sanitizer(field: &Field<'_>) {
    if field.is_sequence() {
        field.error("a mapping is expected, not a sequence");
        return;
    }
    for (key, inner) in field.entries() {
        if key == "enabled" {
            if inner.boolean() == Some(true) {
                inner.error("it is not supported: the presets of a section `redaction` of our own have `url` and `database_query`");
            }
        } else if key != "attributes" && key != "sanitize_span_name" {
            report_sanitizer(&inner);
        }
    }
}

/// The expressions of a list of keys and a list of patterns.
fn exact_and(mapping: &Mapping<'_>, exact: &str, patterns: &str) -> Vec<String> {
    let exact = strings(&mapping.get(exact)).into_iter().map(exact_key);
    exact.chain(go_patterns(&mapping.get(patterns))).collect()
}

fn keys(rule: Rule, patterns: &[String]) -> Rule {
    patterns.iter().cloned().fold(rule, Rule::with_key_regex)
}

/// The attributes that the processor changes: it leaves those of links.
fn targets() -> Targets {
    Targets::of([
        Target::SpanAttribute,
        Target::EventAttribute,
        Target::ResourceAttribute,
        Target::ScopeAttribute,
    ])
}

/// The processor's own attributes, which it always allows.
const SUMMARY_KEYS: [&str; 5] = [
    "redaction.redacted.keys",
    "redaction.redacted.count",
    "redaction.masked.keys",
    "redaction.masked.count",
    "redaction.ignored.count",
];
/// The whole digest.
const HASH_BYTES: usize = 32;
pub(super) const KEYS: &[&str] = &[
    "allow_all_keys",
    "allowed_keys",
    "blocked_key_patterns",
    "hash_function",
    "hmac_key",
    "ignored_keys",
    "ignored_key_patterns",
    "redact_all_types",
    "blocked_values",
    "allowed_values",
    "summary",
    "url_sanitizer",
    "db_sanitizer",
];
