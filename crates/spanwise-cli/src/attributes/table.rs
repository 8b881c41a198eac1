//! A document as text. A process that sent it may be hostile: its text is shown without control characters, and bounded.

use crate::plain::plain;
use serde_json::Value;
use std::fmt::Write as _;

/// The totals, the table of keys, and the advice.
pub(super) fn text(document: &Value) -> String {
    let number = |key: &str| document[key].as_u64().unwrap_or_default();
    let (spans, bytes) = (number("spans"), number("bytes"));
    if spans == 0 {
        return "no spans were read; a process samples spans that end while it is asked".to_owned();
    }
    let of_attributes = number("attribute_bytes") as f64 / bytes.max(1) as f64;
    let mut text = format!(
        "{} spans, {} bytes before compression, {} of them attributes\n\n",
        grouped(spans),
        grouped(bytes),
        percent(of_attributes)
    );
    let _infallible = writeln!(
        text,
        "{:<9}{:<WIDTH$}{:>8}{:>14}{:>13}{:>11}",
        "place", "key", "share", "bytes", "occurrences", "values"
    );
    let keys = document["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    keys.iter().take(MAX_ROWS).for_each(|key| row(&mut text, key));
    if keys.len() > MAX_ROWS {
        let _infallible = writeln!(text, "and {} keys more, by --json", keys.len() - MAX_ROWS);
    }
    if number("replaced_keys") > 0 {
        let _infallible = writeln!(
            text,
            "of about {} keys, those with the most bytes; their counts may be too low",
            grouped(number("distinct_keys"))
        );
    }
    if number("malformed") > 0 {
        let count = grouped(number("malformed"));
        let _infallible = writeln!(text, "{count} messages could not be read");
    }
    let advice = document["advice"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !advice.is_empty() {
        text.push('\n');
    }
    for sentence in advice.iter().filter_map(Value::as_str).take(MAX_ADVICE) {
        let _infallible = writeln!(text, "- {}", plain(sentence, MAX_SENTENCE));
    }
    text
}

fn row(text: &mut String, key: &Value) {
    let number = |name: &str| key[name].as_u64().unwrap_or_default();
    let name = plain(key["key"].as_str().unwrap_or_default(), WIDTH - 1);
    let about = if key["values_exact"] == false { "~" } else { "" };
    // A resource has one value of each key.
    let is_of_span = key["place"] != "resource" && key["place"] != "scope";
    let note = match (&key["one_value"], &key["near_unique"]) {
        (Value::Bool(true), _) if is_of_span => "  one value",
        (_, Value::Bool(true)) => "  near-unique",
        _ => "",
    };
    let _infallible = writeln!(
        text,
        "{:<9}{name:<WIDTH$}{:>8}{:>14}{:>13}{:>11}{note}",
        plain(key["place"].as_str().unwrap_or_default(), 8),
        percent(key["share"].as_f64().unwrap_or_default()),
        grouped(number("bytes")),
        grouped(number("occurrences")),
        format!("{about}{}", grouped(number("values"))),
    );
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share.clamp(0.0, 1.0))
}

/// A number with commas between thousands.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns of a key.
const WIDTH: usize = 34;
const MAX_ROWS: usize = 40;
const MAX_ADVICE: usize = 12;
/// Letters of a sentence, which has up to three keys.
const MAX_SENTENCE: usize = 600;
