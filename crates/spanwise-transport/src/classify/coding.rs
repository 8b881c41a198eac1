//! Content codings of responses.

use http::{HeaderMap, HeaderName};

/// The content coding of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentCoding {
    Identity,
    Gzip,
    /// The header value of an unsupported coding.
    Unknown(String),
}

impl ContentCoding {
    /// Parses the content codings of `headers`. RFC 9110, 8.4: a case-insensitive list in any number
    /// of lines, whose empty members (5.6.1) and `identity` are ignored; `x-gzip` is `gzip`
    /// (8.4.1.3). At most one coding is decoded.
    pub(super) fn of(headers: &HeaderMap, name: HeaderName) -> Self {
        let mut found = Self::Identity;
        for line in headers.get_all(name) {
            for coding in line.as_bytes().split(|&byte| byte == b',') {
                let coding = coding.trim_ascii();
                if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
                    continue;
                }
                let is_gzip =
                    [&b"gzip"[..], b"x-gzip"].iter().any(|c| c.eq_ignore_ascii_case(coding));
                if !is_gzip || found != Self::Identity {
                    return Self::Unknown(String::from_utf8_lossy(line.as_bytes()).into_owned());
                }
                found = Self::Gzip;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_ENCODING;
    use spanwise_testkit::ContentCodings;

    use super::*;

    #[test]
    fn content_codings_are_a_case_insensitive_list() {
        let of = |lines: &[&str]| {
            let lines =
                lines.iter().map(|line| (CONTENT_ENCODING, HeaderValue::from_str(line).unwrap()));
            ContentCoding::of(&lines.collect(), CONTENT_ENCODING)
        };
        let ContentCodings { identity, gzip, unsupported } = ContentCodings::TABLE;
        for lines in identity {
            assert_eq!(of(lines), ContentCoding::Identity, "{lines:?}");
        }
        for lines in gzip {
            assert_eq!(of(lines), ContentCoding::Gzip, "{lines:?}");
        }
        for lines in unsupported {
            assert!(matches!(of(lines), ContentCoding::Unknown(_)), "{lines:?}");
        }
    }
}
