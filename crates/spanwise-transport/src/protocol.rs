//! The OTLP transport protocol of a request.

use std::fmt;
use std::str::FromStr;

use crate::text;

/// The OTLP transport protocol, named as in `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// `http/protobuf`: one HTTP/1.1 POST per request. The specification's default.
    #[default]
    HttpProtobuf,
    /// `http/json`: as [`HttpProtobuf`](Self::HttpProtobuf), with the request in OTLP/JSON. For receivers that
    /// accept nothing else: the body is about twice as large, and costs a transcoding once per request.
    HttpJson,
    /// `grpc`: one unary call per request over HTTP/2. Needs the feature `grpc`.
    Grpc,
}

impl Protocol {
    /// The value of `OTEL_EXPORTER_OTLP_PROTOCOL` for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
            Self::Grpc => "grpc",
        }
    }

    /// The `Content-Type` of its requests over OTLP/HTTP.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::HttpJson => "application/json",
            Self::HttpProtobuf | Self::Grpc => "application/x-protobuf",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        // "Environment Variable Specification", Enum: in any case.
        match &*name.trim().to_ascii_lowercase() {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "grpc" => Ok(Self::Grpc),
            "http/json" => Ok(Self::HttpJson),
            _ => Err(UnknownProtocol::Name(text::unknown_name(name.trim()))),
        }
    }
}

/// The reason why a protocol name was rejected.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownProtocol {
    /// A name that the specification does not define.
    Name(String),
}

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) => write!(
                f,
                "unknown protocol `{text}`; accepted are `http/protobuf`, `http/json` and `grpc`"
            ),
        }
    }
}

impl std::error::Error for UnknownProtocol {}

debug_as_display!(UnknownProtocol);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_parses_to_its_protocol() {
        for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
            assert_eq!(protocol.name().parse(), Ok(protocol));
            assert_eq!(protocol.name().to_ascii_uppercase().parse(), Ok(protocol));
        }
        let error = "HTTP\n".parse::<Protocol>().unwrap_err();
        assert!(error.to_string().contains("`HTTP`"), "{error}");
    }
}
