//! Optional whitespace of HTTP headers.

/// Spaces and tabs around a value, which RFC 9110 calls optional whitespace (`OWS`).
pub(super) fn trim_ows(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
