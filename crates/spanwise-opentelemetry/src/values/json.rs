//! Values that the API's attributes cannot have, as text (specification, *AnyValue representation for
//! non-OTLP protocols*): the native methods set bytes, maps and nested lists, and a stock exporter takes
//! the `Value` of the API, which has none of them.
//!
//! The specification requires JSON, so that the text of `Debug` does not do. `serde_json` fits neither as a
//! `Value`, which sorts the keys of a map and drops repeated ones, nor by `Serialize`, whose error cannot be the
//! reader's [`WireError`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spanwise_wire::read::{ValueView, WireError};
use std::fmt::Write as _;

/// The text of a value outside of any list: a string as it is, bytes in base64, lists and maps as JSON.
pub(super) fn text(value: &ValueView<'_>) -> Result<String, WireError> {
    let mut out = String::new();
    match value {
        ValueView::Empty => {}
        ValueView::Str(text) => out.push_str(text),
        ValueView::Bytes(bytes) => STANDARD.encode_string(bytes, &mut out),
        value => put(&mut out, value)?,
    }
    Ok(out)
}

/// Appends the value as JSON. The reader bounds the depth.
fn put(out: &mut String, value: &ValueView<'_>) -> Result<(), WireError> {
    match value {
        ValueView::Str(text) => put_string(out, text),
        ValueView::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        ValueView::I64(value) => put_number(out, value),
        ValueView::F64(value) if value.is_finite() => put_number(out, value),
        ValueView::F64(value) if value.is_nan() => out.push_str("\"NaN\""),
        ValueView::F64(value) => {
            out.push_str(if *value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
        ValueView::Bytes(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        ValueView::Array(array) => {
            out.push('[');
            for (index, element) in array.iter().enumerate() {
                put_comma(out, index);
                put(out, &element?)?;
            }
            out.push(']');
        }
        ValueView::KvList(list) => {
            out.push('{');
            for (index, entry) in list.iter().enumerate() {
                let (key, value) = entry?;
                put_comma(out, index);
                put_string(out, key);
                out.push(':');
                put(out, &value)?;
            }
            out.push('}');
        }
        _ => out.push_str("null"),
    }
    Ok(())
}

fn put_comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn put_number(out: &mut String, number: &impl std::fmt::Display) {
    // A string accepts every write.
    let _ = write!(out, "{number}");
}

fn put_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
