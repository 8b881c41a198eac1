//! What became of a request: exactly one outcome, from a closed list.

use std::fmt;

/// The end of one [`send`](crate::Transport::send).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// What became of the request.
    pub outcome: Outcome,
    /// How often it was tried. 0 when a wait the server asked for outlasted the deadline.
    pub attempts: u32,
    /// How many of those attempts may have been taken by the server without our knowing: bytes
    /// had left and no answer came. Each may be a duplicate at the server.
    pub ambiguous_attempts: u32,
    /// Bytes of the request's body as sent, after compression and without the gRPC prefix.
    pub body_bytes: usize,
    /// HTTP 2xx whose body is no OTLP answer. The request counts as accepted.
    pub response_undecodable: bool,
    /// What the server or the connection said last, when it failed: at most 256 bytes, one line,
    /// no control characters, our header values masked. Empty when nothing was said.
    pub detail: String,
}

impl Delivery {
    /// Whether the server took the request, in whole or in part.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted { .. })
    }
}

/// Taken, or not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took the request.
    Accepted {
        /// Spans it says it left out (partial success), at least 0 and not checked against the
        /// number sent. They must not be sent again.
        rejected: u64,
        /// What it said about them, or a warning; cleaned like [`Delivery::detail`].
        message: Option<String>,
    },
    /// The server did not take it, or nobody knows.
    Failed(Failure),
}

/// Why a request was given up. A closed list: every lost request has exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Only failures worth a retry, until the deadline; the last attempt was surely not taken.
    RetryDeadline {
        /// The last answer; `None` when no connection was made or the server's wait was still on.
        last: Option<Status>,
    },
    /// An answer that forbids sending again: HTTP 4xx and 5xx but 429, 502, 503, 504; the
    /// permanent gRPC codes.
    Rejected {
        /// The answer.
        status: Status,
    },
    /// HTTP 3xx. Redirects are never followed: headers must not reach another host.
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The server says that the request is too large (HTTP 413, or gRPC in its known wordings),
    /// or it is larger than gRPC can frame (4 GiB). Send smaller requests.
    TooLarge,
    /// Bytes had left and no answer came, or only part of one, up to the deadline: the server
    /// may have taken it.
    AmbiguousTimeout,
    /// An answer that is not OTLP: gRPC without a status or a message, bytes that are no HTTP.
    AmbiguousResponse,
    /// The answer is larger than 64 KiB, as sent or inflated.
    ResponseTooLarge,
    /// No TLS session up to the deadline: certificate, name, version or handshake.
    Tls,
    /// Cancelled by the caller before an end.
    Shutdown,
    /// A request that cannot be sent: it is no protobuf message, or was sent outside a tokio
    /// runtime.
    Unsendable,
}

impl Failure {
    /// The cause in snake case, as in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RetryDeadline { .. } => "retry_deadline",
            Self::Rejected { .. } => "rejected",
            Self::Redirect { .. } => "redirect",
            Self::TooLarge => "too_large",
            Self::AmbiguousTimeout => "ambiguous_timeout",
            Self::AmbiguousResponse => "ambiguous_response",
            Self::ResponseTooLarge => "response_too_large",
            Self::Tls => "tls",
            Self::Shutdown => "shutdown",
            Self::Unsendable => "unsendable",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetryDeadline { last: Some(status) } => {
                write!(f, "still {status} when the deadline passed")
            }
            Self::RetryDeadline { last: None } => write!(f, "not reached before the deadline"),
            Self::Rejected { status } => write!(f, "rejected with {status}"),
            Self::Redirect { status } => write!(f, "redirected with HTTP {status}, not followed"),
            Self::TooLarge => write!(f, "the request is too large"),
            Self::AmbiguousTimeout => write!(f, "sent, but not answered before the deadline"),
            Self::AmbiguousResponse => write!(f, "answered, but not in OTLP"),
            Self::ResponseTooLarge => write!(f, "the answer is larger than 64 KiB"),
            Self::Tls => write!(f, "no TLS session before the deadline"),
            Self::Shutdown => write!(f, "cancelled"),
            Self::Unsendable => write!(f, "the request cannot be sent"),
        }
    }
}

impl std::error::Error for Failure {}

/// An answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// HTTP status code.
    Http(u16),
    /// gRPC status code, 0 to 16; others as the server sent them.
    Grpc(u32),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Http(code) => write!(f, "HTTP {code}"),
            Self::Grpc(code) => {
                let name = usize::try_from(code).ok().and_then(|i| GRPC_NAMES.get(i));
                write!(f, "gRPC {code} {}", name.unwrap_or(&"(no such code)"))
            }
        }
    }
}

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
