//! Exemplars of OpenMetrics.

use std::fmt::Write as _;

use super::labels::{put_label, value_text};
use super::number::{put_number, put_time};
use super::sanitize::put_sanitized;
use crate::model::Exemplar;

/// The exemplar with the largest value in (`above`, `up_to`].
pub(super) fn largest(exemplars: &[Exemplar], above: f64, up_to: f64) -> Option<&Exemplar> {
    let inside = exemplars.iter().filter(|exemplar| {
        let value = exemplar.value.as_f64();
        value > above && value <= up_to
    });
    inside.max_by(|a, b| a.value.as_f64().total_cmp(&b.value.as_f64()))
}

/// Appends ` # {trace_id="…",span_id="…"} value time`, with the attributes that fit in OpenMetrics' limit of 128 characters for names and
/// values.
pub(super) fn put_exemplar(out: &mut String, exemplar: &Exemplar) {
    out.push_str(" # {");
    let mut characters = 0;
    if exemplar.trace_id.is_valid() {
        let _infallible = write!(out, "trace_id=\"{}\",", exemplar.trace_id);
        characters += "trace_id".len() + 32;
    }
    if exemplar.span_id.is_valid() {
        let _infallible = write!(out, "span_id=\"{}\",", exemplar.span_id);
        characters += "span_id".len() + 16;
    }
    let mut names: Vec<String> = vec!["trace_id".to_owned(), "span_id".to_owned()];
    for attribute in &exemplar.filtered_attributes {
        let mut name = String::new();
        put_sanitized(&mut name, &attribute.key);
        let value = value_text(&attribute.value);
        let more = name.len() + value.chars().count();
        if !name.is_empty() && !names.contains(&name) && characters + more <= MAX_CHARACTERS {
            characters += more;
            put_label(out, &name, &value);
            names.push(name);
        }
    }
    if out.ends_with(',') {
        out.pop();
    }
    out.push_str("} ");
    put_number(out, exemplar.value);
    out.push(' ');
    put_time(out, exemplar.time_unix_nanos);
}

const MAX_CHARACTERS: usize = 128;
