//! Credentials and query parameters of URLs.

use crate::rule::{Action, Rule};

/// The user info of any URL; the query of any URL, and of the attributes that hold one.
pub(super) fn rules() -> Vec<Rule> {
    let mask = |name| Rule::new(Action::Mask).with_name(name);
    vec![
        mask("url_credentials").with_replacement(r"://[^\s/?#@]+@", credentials),
        mask("url_query").with_replacement(r"://[^\s?#]*\?[^\s#]+", query),
        mask("url_query_attribute")
            .with_keys(["url.query", "url.full", "http.url", "http.target", "url.original"])
            .with_replacement(r"[^#]+", parameters),
    ]
}

fn credentials(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let user_info = matched.trim_start_matches("://").trim_end_matches('@');
    out.push_str("://");
    out.push_str(&mask(user_info));
    out.push('@');
    true
}

fn query(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let Some((before, query)) = matched.split_once('?') else { return false };
    out.push_str(before);
    out.push('?');
    masked(query, mask, out)
}

/// The query of a URL, or a query alone.
fn parameters(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    match matched.split_once('?') {
        Some(_) => query(matched, mask, out),
        None if matched.contains('=') && !matched.contains('/') => masked(matched, mask, out),
        None => false,
    }
}

/// Masks the values of parameters.
fn masked(query: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let mut is_changed = false;
    for parameter in query.split_inclusive(['&', ';']) {
        let (parameter, separator) = match parameter.strip_suffix(['&', ';']) {
            Some(bare) => (bare, parameter.get(bare.len()..).unwrap_or_default()),
            None => (parameter, ""),
        };
        match parameter.split_once('=') {
            Some((name, value)) if !value.is_empty() => {
                out.push_str(name);
                out.push('=');
                out.push_str(&mask(value));
                is_changed = true;
            }
            _ => out.push_str(parameter),
        }
        out.push_str(separator);
    }
    is_changed
}
