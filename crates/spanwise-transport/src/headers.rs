//! Headers sent with every request. Their values are secrets.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::text;

/// Names and values added to every request, such as an API key.
///
/// Values never show: `Debug` prints `[redacted]`, HTTP/2 does not index them, and answers that
/// echo one are masked.
#[derive(Clone, Default)]
pub struct Headers {
    map: HeaderMap,
}

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `k=v,k2=v2`, the form of `OTEL_EXPORTER_OTLP_HEADERS`: W3C Baggage without
    /// properties. Space around keys and values is dropped, values are percent-decoded, empty
    /// entries are skipped, a name may come more than once.
    ///
    /// # Errors
    /// When an entry has no `=`, or a name or value that HTTP cannot carry, or a name that the
    /// transport sets itself. Errors show names and positions, never values.
    pub fn parse(list: &str) -> Result<Self, HeadersError> {
        let mut headers = Self::new();
        for (at, entry) in list.split(',').enumerate() {
            let entry = entry.trim();
            if entry.is_empty() {
                continue;
            }
            let (name, value) =
                entry.split_once('=').ok_or(HeadersError::NoValue { position: at + 1 })?;
            headers.append(name.trim(), &percent_decoded(value.trim()))?;
        }
        Ok(headers)
    }

    /// Adds one header; `value` is taken as it is.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, HeadersError> {
        self.append(name, value.as_bytes())?;
        Ok(self)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The names, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(HeaderName::as_str)
    }

    pub(crate) fn map(&self) -> &HeaderMap {
        &self.map
    }

    /// `raw` with every value of ours in it, whole or its words, replaced.
    pub(crate) fn mask(&self, raw: &str) -> String {
        let mut masked = raw.to_owned();
        for value in self.map.values() {
            let value = String::from_utf8_lossy(value.as_bytes());
            for secret in std::iter::once(&*value).chain(value.split_ascii_whitespace()) {
                // A short value is more often a word of the sentence than a leak.
                if secret.len() >= SHORTEST_SECRET && masked.contains(secret) {
                    masked = masked.replace(secret, REDACTED);
                }
            }
        }
        masked
    }

    fn append(&mut self, name: &str, value: &[u8]) -> Result<(), HeadersError> {
        let shown = || text::tidy(name);
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HeadersError::Name { name: shown() })?;
        if RESERVED.contains(&key.as_str()) {
            return Err(HeadersError::Reserved { name: shown() });
        }
        let mut value =
            HeaderValue::from_bytes(value).map_err(|_| HeadersError::Value { name: shown() })?;
        value.set_sensitive(true);
        match self.map.try_append(key, value) {
            Ok(_) => Ok(()),
            Err(_) => Err(HeadersError::TooMany),
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.map.keys().take(MOST_SHOWN);
        let shown = names.map(|name| (text::tidy(name.as_str()), REDACTED));
        let rest = self.map.keys_len().saturating_sub(MOST_SHOWN);
        let more = (rest > 0).then(|| ("more".to_owned(), rest.to_string()));
        f.debug_map().entries(shown).entries(more).finish()
    }
}

/// Why a list of headers was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// An entry without `=`. It is not shown: it may be part of a value.
    #[error("header entry {position} has no `=`; the form is `name=value,name2=value2`")]
    NoValue {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// A name with characters that a header name cannot have.
    #[error("`{name}` is not a header name")]
    Name {
        /// The name as given.
        name: String,
    },
    /// A value with bytes that a header value cannot have.
    #[error("the value of header `{name}` holds bytes that HTTP cannot carry")]
    Value {
        /// Whose value.
        name: String,
    },
    /// A name that belongs to the transport.
    #[error("header `{name}` is set by the transport")]
    Reserved {
        /// Which.
        name: String,
    },
    /// More than the HTTP library holds (32,768).
    #[error("too many headers")]
    TooMany,
}

fn percent_decoded(value: &str) -> Vec<u8> {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2));
        let decoded = pair.and_then(|(&high, &low)| Some(hex(high)? << 4 | hex(low)?));
        // A `%` without two digits after it stands for itself, as in browsers.
        match decoded {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|d| d as u8)
}

/// `value` percent-decoded and read as text: the form of `grpc-message`.
pub(crate) fn percent_decoded_text(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    String::from_utf8_lossy(&percent_decoded(&value)).into_owned()
}

/// Names that `Debug` shows at most.
const MOST_SHOWN: usize = 32;
pub(crate) const REDACTED: &str = "[redacted]";
pub(crate) const SHORTEST_SECRET: usize = 6;

/// Framing and negotiation are the transport's; a second opinion would break requests.
const RESERVED: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value<'a>(headers: &'a Headers, name: &str) -> &'a [u8] {
        headers.map().get(name).unwrap().as_bytes()
    }

    #[test]
    fn the_list_form_is_read() {
        let list = " Api-Key = a%20b%3D%2C , x=1,,y==%zz%4 ,x=2,";
        let headers = Headers::parse(list).unwrap();
        assert_eq!(headers.len(), 4);
        assert_eq!(headers.names().count(), 3);
        assert_eq!(value(&headers, "api-key"), b"a b=,");
        assert_eq!(value(&headers, "y"), b"=%zz%4");
        assert!(Headers::parse("").unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_key_and_not_the_value() {
        let cases = [
            ("a=1,hunter2", "entry 2"),
            ("b c=hunter2", "`b c`"),
            ("=hunter2", "``"),
            ("key=hunter2%0a", "`key`"),
            ("Content-Length=hunter2", "`Content-Length`"),
            ("te=hunter2", "`te`"),
        ];
        for (list, named) in cases {
            let error = Headers::parse(list).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(named) && !shown.contains("hunter2"), "{list}: {shown}");
        }
    }

    #[test]
    fn values_never_show() {
        let headers = Headers::parse("authorization=Bearer hunter2").unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"authorization": "[redacted]"}"#);
        assert!(headers.map().values().all(HeaderValue::is_sensitive));
        assert_eq!(headers.mask("bad token hunter2."), "bad token [redacted].");
        assert_eq!(headers.mask("got Bearer hunter2."), "got [redacted].");
    }

    proptest! {
        #[test]
        fn any_value_survives_encoding(raw in "[ -~]{0,40}") {
            let encoded: String = raw.bytes().map(|b| format!("%{b:02X}")).collect();
            prop_assert_eq!(percent_decoded(&encoded), raw.as_bytes());
        }

        #[test]
        fn no_list_panics(list in any::<String>()) {
            let _ = Headers::parse(&list);
        }
    }
}
