//! HTTP headers of every request. Their values are secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{percent_decode, percent_decode_str};

use crate::text::{self, REDACTED};
use crate::{BuildError, Protocol};

/// HTTP headers or gRPC metadata added to every request, such as an API key.
///
/// Over HTTP a value is sent unchanged. Over gRPC ("PROTOCOL-HTTP2", Custom-Metadata) a value is
/// visible ASCII and spaces, unless its name ends in `-bin`: then it is any bytes, and sent in
/// base64. A header that the protocol of a transport cannot carry is an error of
/// [`build`](crate::TransportBuilder::build).
///
/// Values are never printed: `Debug` prints `[redacted]`, HTTP/2 does not index them, and text of a
/// response that echoes one is masked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers {
    /// Values as they were given.
    map: HeaderMap<Bytes>,
}

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses `k=v,k2=v2`, the form of `OTEL_EXPORTER_OTLP_HEADERS`: W3C Baggage without
    /// properties. White space around keys and values is removed, values are percent-decoded, empty
    /// entries are skipped, a name may come more than once.
    ///
    /// # Errors
    /// When an entry has no `=`, or a name or value that HTTP cannot carry (a name that ends in
    /// `-bin` accepts any value here), or a name that the transport sets itself. Errors show names
    /// and positions, never values.
    pub fn parse(list: &str) -> Result<Self, HeadersError> {
        let mut headers = Self::new();
        for (at, entry) in list.split(',').enumerate() {
            let entry = entry.trim();
            if entry.is_empty() {
                continue;
            }
            let (name, value) =
                entry.split_once('=').ok_or(HeadersError::NoValue { position: at + 1 })?;
            // A `%` without two digits after it stands for itself, as in browsers.
            let value: Vec<u8> = percent_decode_str(value.trim()).collect();
            headers.append(name.trim(), &value)?;
        }
        Ok(headers)
    }

    /// Adds one header; `value` is not decoded.
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

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The names, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(HeaderName::as_str)
    }

    /// The value of `name`, the first if there are several.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        self.map.get(name).map(|value| &**value)
    }

    /// The headers in the form that `protocol` sends: RFC 9110, 5.5, or the rules of gRPC.
    pub(crate) fn for_protocol(&self, protocol: Protocol) -> Result<HeaderMap, BuildError> {
        let mut map = HeaderMap::with_capacity(self.map.len());
        for (name, raw) in &self.map {
            let refused = |problem| BuildError::Header {
                name: text::sanitize(name.as_str()),
                protocol,
                problem,
            };
            let value = match protocol {
                Protocol::HttpProtobuf | Protocol::HttpJson => {
                    HeaderValue::from_maybe_shared(raw.clone())
                }
                Protocol::Grpc => {
                    check_metadata(name, raw).map_err(refused)?;
                    match is_binary(name) {
                        true => HeaderValue::try_from(STANDARD_NO_PAD.encode(raw)),
                        false => HeaderValue::from_maybe_shared(raw.clone()),
                    }
                }
            };
            let mut value =
                value.map_err(|_| refused("its value holds bytes HTTP cannot carry"))?;
            value.set_sensitive(true);
            map.append(name, value);
        }
        Ok(map)
    }

    /// Every value, as given and as it is sent.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = String> {
        self.map.iter().flat_map(|(name, value)| {
            let coded = is_binary(name).then(|| STANDARD_NO_PAD.encode(value));
            [String::from_utf8_lossy(value).into_owned()].into_iter().chain(coded)
        })
    }

    fn append(&mut self, name: &str, value: &[u8]) -> Result<(), HeadersError> {
        let shown = || text::sanitize(name);
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HeadersError::Name { name: beginning(name) })?;
        if RESERVED.contains(&key.as_str()) {
            return Err(HeadersError::Reserved { name: shown() });
        }
        if !is_binary(&key) && HeaderValue::from_bytes(value).is_err() {
            return Err(HeadersError::Value { name: shown() });
        }
        match self.map.try_append(key, Bytes::copy_from_slice(value)) {
            Ok(_) => Ok(()),
            Err(_) => Err(HeadersError::TooMany),
        }
    }
}

/// The leading part of `name` that could be a header name. The rest may be most of a value, as in
/// `authorization: Basic c2VjcmV0=`.
fn beginning(name: &str) -> String {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let shown = name.get(..end.unwrap_or(name.len()).min(MAX_NAME)).unwrap_or_default();
    format!("{shown}…")
}

/// gRPC's Binary-Header.
fn is_binary(name: &HeaderName) -> bool {
    name.as_str().ends_with("-bin")
}

/// gRPC's Header-Name and ASCII-Value.
fn check_metadata(name: &HeaderName, value: &[u8]) -> Result<(), &'static str> {
    let is_letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-.".contains(&c);
    if !name.as_str().bytes().all(is_letter) {
        return Err("a name of gRPC metadata holds letters, digits, `_`, `-` and `.`");
    }
    if name.as_str().starts_with("grpc-") {
        return Err("names that begin with `grpc-` are gRPC's own");
    }
    if !is_binary(name) && !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(
            "its value holds other bytes than visible ASCII and spaces, for which gRPC has names \
             that end in `-bin`",
        );
    }
    Ok(())
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.map.keys().take(MAX_SHOWN);
        let shown = names.map(|name| (text::sanitize(name.as_str()), REDACTED));
        let rest = self.map.keys_len().saturating_sub(MAX_SHOWN);
        let more = (rest > 0).then(|| ("more".to_owned(), rest.to_string()));
        f.debug_map().entries(shown).entries(more).finish()
    }
}

/// The reason why [`Headers`] rejected a list or a header.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadersError {
    /// An entry without `=`. It is not shown: it may be part of a value.
    NoValue {
        /// The position of the entry in the list, from 1.
        position: usize,
    },
    /// A name with characters that a header name cannot have.
    Name {
        /// The name as given.
        name: String,
    },
    /// A value with bytes that a header value cannot have.
    Value {
        /// The name of the header.
        name: String,
    },
    /// A name that belongs to the transport.
    Reserved {
        /// The name of the header.
        name: String,
    },
    /// More headers than the HTTP library stores (32,768).
    TooMany,
}

impl fmt::Display for HeadersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue { position } => write!(
                f,
                "header entry {position} has no `=`; the form is `name=value,name2=value2`"
            ),
            Self::Name { name } => write!(f, "`{name}` is not a header name"),
            Self::Value { name } => {
                write!(f, "the value of header `{name}` holds bytes that HTTP cannot carry")
            }
            Self::Reserved { name } => write!(f, "header `{name}` is set by the transport"),
            Self::TooMany => f.write_str("too many headers"),
        }
    }
}

impl std::error::Error for HeadersError {}

debug_as_display!(HeadersError);

/// Percent-decodes `value`, the form of `grpc-message`, as UTF-8.
pub(crate) fn percent_decoded_text(value: &[u8]) -> String {
    percent_decode(value).decode_utf8_lossy().into_owned()
}

/// Maximum number of names that `Debug` prints.
const MAX_SHOWN: usize = 32;
/// Bytes of an invalid name that an error prints.
const MAX_NAME: usize = 32;

/// Framing and negotiation are the transport's; a second value would break requests.
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
        headers.get(&HeaderName::try_from(name).unwrap()).unwrap()
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
            ("b c=hunter2", "`b…`"),
            ("authorization: Bearer hunter2=", "`authorization…`"),
            ("=hunter2", "`…`"),
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
        let sent = headers.for_protocol(Protocol::HttpProtobuf).unwrap();
        assert!(sent.values().all(HeaderValue::is_sensitive));
        let masked = |text| crate::mask::mask(text, headers.secrets());
        assert_eq!(masked("bad token hunter2."), "bad token [redacted].");
        assert_eq!(masked("got Bearer hunter2."), "got Bearer [redacted].");
    }

    proptest! {
        #[test]
        fn no_list_panics(list in any::<String>()) {
            let _ = Headers::parse(&list);
        }
    }
}
