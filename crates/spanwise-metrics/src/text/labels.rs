//! Labels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use spanwise_wire::{Attribute, OwnedValue};

use super::number::put_escaped;
use super::sanitize::put_sanitized;

/// The labels of a point as text, each with a comma behind it, in the order of their names: `a="1",b="2",`.
///
/// Attributes whose keys become the same name share a label: their values in the order of the keys, with `;` between them
/// (specification, *Metric Attributes*). A name among `reserved` gets the prefix `exported_`, as Prometheus does it.
pub(super) fn labels(attributes: &[Attribute], reserved: &[&str]) -> String {
    let mut sorted: Vec<&Attribute> = attributes.iter().collect();
    sorted.sort_by_key(|attribute| attribute.key.as_str());
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for Attribute { key, value } in sorted {
        if key.is_empty() || *value == OwnedValue::Absent {
            continue;
        }
        let mut name = String::with_capacity(key.len());
        put_sanitized(&mut name, key);
        if reserved.contains(&name.as_str()) {
            name.insert_str(0, "exported_");
        }
        let value = value_text(value);
        by_name
            .entry(name)
            .and_modify(|values| {
                values.push(';');
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let mut out = String::new();
    for (name, value) in &by_name {
        put_label(&mut out, name, value);
    }
    out
}

/// Appends a label with a comma behind it.
pub(super) fn put_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    put_escaped(out, value, true);
    out.push_str("\",");
}

/// An attribute's value as a string (specification, *Mapping to non-OTLP protocols*: lists as JSON, bytes in hexadecimal digits).
pub(super) fn value_text(value: &OwnedValue) -> Cow<'_, str> {
    match value {
        OwnedValue::Str(text) => text.as_str().into(),
        OwnedValue::Bool(value) => (if *value { "true" } else { "false" }).into(),
        OwnedValue::I64(value) => value.to_string().into(),
        OwnedValue::F64(value) => value.to_string().into(),
        other => {
            let mut out = String::new();
            put_json(&mut out, other, MAX_DEPTH);
            out.into()
        }
    }
}

fn put_json(out: &mut String, value: &OwnedValue, depth: u32) {
    match value {
        OwnedValue::Str(text) => {
            let _infallible = write!(out, "{:?}", text.as_str());
        }
        OwnedValue::Bytes(bytes) => bytes.iter().for_each(|byte| {
            let _infallible = write!(out, "{byte:02x}");
        }),
        OwnedValue::Array(items) if depth > 0 => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put_json(out, item, depth - 1);
            }
            out.push(']');
        }
        OwnedValue::Array(_) | OwnedValue::Absent => out.push_str("null"),
        plain => out.push_str(&value_text(plain)),
    }
}

/// The levels of nested lists that are written.
const MAX_DEPTH: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_escaped_and_joined() {
        let attributes = [
            Attribute::new("z", "a\"b\\c\nd"),
            Attribute::new("http.method", "second"),
            Attribute::new("http-method", "first"),
            Attribute::new("1st", 2),
            Attribute::new("le", 0.5),
            Attribute::new("__name__", true),
            Attribute::new("list", vec!["x", "y"]),
            Attribute::new("none", None::<bool>),
            Attribute::new("", "no key"),
        ];
        assert_eq!(
            labels(&attributes, &["le"]),
            concat!(
                r#"_1st="2",_name_="true",exported_le="0.5",http_method="first;second","#,
                r#"list="[\"x\",\"y\"]",z="a\"b\\c\nd","#
            )
        );
        assert_eq!(labels(&[], &[]), "");
    }
}
