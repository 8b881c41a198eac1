//! Percent-encoding and redaction of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::text::{self, REDACTED};

/// Percent-encodes (RFC 3986, 2.1) the characters of `raw`, a path with a query, that it may not
/// contain (3.3, 3.4). Encoded characters remain.
pub(crate) fn encoded(raw: &str) -> String {
    let mut parts = raw.split('%');
    let before = parts.next().unwrap_or_default();
    let mut out = utf8_percent_encode(before, NOT_IN_PATH_OR_QUERY).to_string();
    for part in parts {
        let is_encoded = part.as_bytes().first_chunk::<2>();
        let is_encoded = is_encoded.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        out.push_str(if is_encoded { "%" } else { "%25" });
        out.extend(utf8_percent_encode(part, NOT_IN_PATH_OR_QUERY));
    }
    out
}

/// Redacts the possible secrets of `url`: user info, query and fragment; the result is one line.
///
/// A password that contains a `/`, `?` or `#` makes the URL invalid, but is still a secret: all text
/// before an `@` is redacted, including the host if the `@` follows a `?` or `#`.
pub(crate) fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (shown, hidden) = match rest.find(['?', '#']) {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    let shown = match shown.rsplit_once('@') {
        _ if hidden.contains('@') => REDACTED.to_owned(),
        Some((_, shown)) => format!("{REDACTED}@{shown}"),
        None => shown.to_owned(),
    };
    let hidden = hidden.get(..1).map(|mark| format!("{mark}{REDACTED}")).unwrap_or_default();
    text::sanitize(&format!("{scheme}{shown}{hidden}"))
}

/// RFC 3986: unreserved, sub-delims and `:@/?` are not encoded.
const NOT_IN_PATH_OR_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'?');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_query_and_fragment_are_redacted() {
        let cases = [
            ("http://h:1/p", "http://h:1/p"),
            ("h:1/p", "h:1/p"),
            ("http://u:s@h/p?k=s", "http://[redacted]@h/p?[redacted]"),
            ("http://h/p#s", "http://h/p#[redacted]"),
            ("http://h/?", "http://h/?[redacted]"),
            ("http://u:s/s@h", "http://[redacted]@h"),
            ("http://h/?key=a@s", "http://[redacted]?[redacted]"),
            ("http://u:s?s@h", "http://[redacted]?[redacted]"),
            ("u:s#s@h", "[redacted]#[redacted]"),
        ];
        for (url, shown) in cases {
            assert_eq!(redacted(url), shown, "{url}");
        }
    }
}
