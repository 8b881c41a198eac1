//! Values as JSON: the text that conditions see of numbers, lists and maps.

use std::fmt::Write as _;

use super::value::Value;

/// The JSON of a value, with the keys of maps sorted as in Go; `None` for numbers that JSON does not have, and beyond the bounds of the
/// text and of a map.
pub(crate) fn text(value: &Value<'_>) -> Option<String> {
    let mut out = String::new();
    put(&mut out, value)?;
    Some(out)
}

fn put(out: &mut String, value: &Value<'_>) -> Option<()> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => _ = write!(out, "{number}"),
        // JSON has no such numbers.
        Value::Double(number) if !number.is_finite() => return None,
        Value::Double(number) => put_double(out, *number),
        Value::Str(text) => put_text(out, text),
        Value::Bytes(bytes) | Value::Id(bytes) => put_base64(out, bytes),
        Value::Array(_) | Value::List(_) => {
            out.push('[');
            for (index, value) in value.elements().into_iter().flatten().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put(out, &value)?;
            }
            out.push(']');
        }
        Value::KvList(_) | Value::Attributes(_) => {
            let entries = value.entries().into_iter().flatten().filter_map(Result::ok);
            let mut entries: Vec<_> = entries.take(MAX_ENTRIES + 1).collect();
            if entries.len() > MAX_ENTRIES {
                return None;
            }
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put_text(out, key);
                out.push(':');
                put(out, &Value::from(value))?;
            }
            out.push('}');
        }
    }
    (out.len() <= MAX_BYTES).then_some(())
}

/// The shortest text that reads as the same number; with an exponent below 1e-6 and from 1e21, as in Go.
fn put_double(out: &mut String, number: f64) {
    let magnitude = number.abs();
    let plain = magnitude == 0.0 || (1e-6..1e21).contains(&magnitude);
    let _infallible = if plain {
        write!(out, "{number}")
    } else {
        // Go writes the sign of an exponent, and two digits at least.
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
                Some(exponent) => write!(out, "{mantissa}e-{exponent:0>2}"),
                None => write!(out, "{mantissa}e+{exponent:0>2}"),
            },
            None => write!(out, "{text}"),
        }
    };
}

fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // As the Collector's encoder, for the sake of HTML and of JavaScript.
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                _ = write!(out, "\\u{:04x}", u32::from(letter))
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// Bytes as Go's JSON has them: base64 with padding.
fn put_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place)) as usize & 63).copied();
            let is_used = place <= chunk.len();
            out.push(if is_used { char::from(digit.unwrap_or(b'=')) } else { '=' });
        }
    }
    out.push('"');
}

/// The longest text: 1 MiB.
const MAX_BYTES: usize = 1 << 20;
/// The most entries of a map, which are sorted in memory.
const MAX_ENTRIES: usize = 10_000;
