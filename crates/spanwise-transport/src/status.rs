//! The status of a response.

use std::fmt;

/// The HTTP or gRPC status of a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseStatus {
    /// HTTP status code.
    Http(u16),
    /// gRPC status code, 0 to 16; other values as the server sent them.
    Grpc(u32),
}

impl ResponseStatus {
    /// The name of a status code of gRPC, such as `OK`; `None` for HTTP, and for a code without a name.
    pub fn grpc_name(self) -> Option<&'static str> {
        match self {
            Self::Http(_) => None,
            Self::Grpc(code) => usize::try_from(code).ok().and_then(|i| GRPC_NAMES.get(i)).copied(),
        }
    }

    /// Whether the status leaves open whether the receiver accepted the request: a gateway returns
    /// it after a timeout of its upstream, and gRPC defines its two codes so.
    pub(crate) fn is_inconclusive(self) -> bool {
        matches!(self, Self::Http(502 | 504) | Self::Grpc(1 | 4))
    }

    /// The status with its reason phrase, if its standard names one.
    pub(crate) fn with_reason(self) -> String {
        let reason = match self {
            ResponseStatus::Http(code) => http::StatusCode::from_u16(code).ok(),
            ResponseStatus::Grpc(_) => None,
        };
        match reason.and_then(|code| code.canonical_reason()) {
            Some(reason) => format!("{self} {reason}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for ResponseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Http(code) => write!(f, "HTTP {code}"),
            Self::Grpc(code) => {
                write!(f, "gRPC {code} {}", self.grpc_name().unwrap_or("(no such code)"))
            }
        }
    }
}

debug_as_display!(ResponseStatus);

const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
