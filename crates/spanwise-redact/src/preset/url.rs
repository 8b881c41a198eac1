//! Credentials and query parameters of URLs.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};

/// The user info of any URL; the query of any URL, and of the attributes that hold one.
pub(super) fn rules() -> Vec<Rule> {
    let mask = |name| Rule::new(Action::Mask).with_name(name);
    vec![
        mask("url_credentials").with_replacement(r"://[^\s/?#]+@", credentials),
        mask("url_query").with_replacement(r"://[^\s?#]*\?[^\s#]+", query),
        mask("url_query_attribute")
            .with_keys(["url.full", "http.url", "http.target", "url.original"])
            .with_function("(?s)=.", parameters),
        mask("url_query_attribute").with_keys(["url.query"]).with_function("(?s)=.", masked),
    ]
}

/// Up to the last `@`: a password may have others.
fn credentials(matched: &str, out: &mut Masking<'_>) -> bool {
    let user_info = matched.trim_start_matches("://").trim_end_matches('@');
    out.text("://");
    out.secret(user_info);
    out.text("@");
    true
}

fn query(matched: &str, out: &mut Masking<'_>) -> bool {
    let Some((before, query)) = matched.split_once('?') else { return false };
    out.text(before);
    out.text("?");
    masked(query, out)
}

/// The query of a URL or path, or a query alone.
fn parameters(matched: &str, out: &mut Masking<'_>) -> bool {
    let (url, fragment) = matched.split_at(matched.find('#').unwrap_or(matched.len()));
    let is_changed = match url.split_once('?') {
        Some(_) => query(url, out),
        None if url.contains('=') && !url.contains('/') => masked(url, out),
        None => false,
    };
    out.text(fragment);
    is_changed
}

/// Masks the values of parameters.
fn masked(query: &str, out: &mut Masking<'_>) -> bool {
    let mut is_changed = false;
    for parameter in query.split_inclusive(['&', ';']) {
        let (parameter, separator) = match parameter.strip_suffix(['&', ';']) {
            Some(bare) => (bare, parameter.get(bare.len()..).unwrap_or_default()),
            None => (parameter, ""),
        };
        match parameter.split_once('=') {
            Some((name, value)) if !value.is_empty() => {
                out.text(name);
                out.text("=");
                out.secret(value);
                is_changed = true;
            }
            _ => out.text(parameter),
        }
        out.text(separator);
    }
    is_changed
}
