//! Percent-encoding and redaction of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use spanwise_worker::redact_url;

use crate::text;

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

/// `url` on one line, without its possible secrets: user info, query and fragment.
pub(crate) fn redacted(url: &str) -> String {
    text::sanitize(&redact_url(url))
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
    fn a_url_is_shown_on_one_line_without_its_secrets() {
        let cases = [
            ("http://h:1/p", "http://h:1/p"),
            ("http://u:s@h/p?k=s", "http://[redacted]@h/p?[redacted]"),
            ("http://h/\np#s", "http://h/ p#[redacted]"),
            ("u:s#s@h", "[redacted]#[redacted]"),
            ("u:s://s@h", "[redacted]@h"),
        ];
        for (url, shown) in cases {
            assert_eq!(redacted(url), shown, "{url}");
        }
    }
}
