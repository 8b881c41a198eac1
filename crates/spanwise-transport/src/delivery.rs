//! What became of a request: exactly one outcome, from a closed list.

use std::fmt;

use crate::{ResponseStatus, text};

/// The end of one [`send`](crate::Transport::send).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// What became of the request.
    pub outcome: Outcome,
    /// How often it was tried. 0 when a wait the server asked for outlasted the deadline.
    pub attempts: u32,
    /// How many of those attempts may have been taken by the server without our knowing: bytes
    /// had left, and no answer came, or one that does not say (a gateway's 502 or 504; gRPC's
    /// `CANCELLED` or `DEADLINE_EXCEEDED`; no OTLP). Each may be a duplicate at the server.
    pub ambiguous_attempts: u32,
    /// Bytes of the request's body as sent, after compression and without the gRPC prefix.
    pub body_bytes: usize,
    /// HTTP 2xx whose body is no OTLP answer: of another content type or encoding, or no such
    /// message. The request counts as accepted, and [`cause`](Self::cause) says what came instead:
    /// the endpoint may be something else than a receiver.
    pub response_undecodable: bool,
    /// What the server or the connection said last, when it failed: at most 256 bytes, one line,
    /// no control characters, our header values masked. Empty when nothing was said.
    pub detail: String,
    /// Why the last attempt that got anywhere failed, in words, with what the server said: as
    /// [`FailedAttempt::cause`](crate::FailedAttempt::cause). Of one that was cancelled, why the
    /// attempt before failed or, if none had failed, how far the attempt had come. Of one that was
    /// accepted, why the answer could not be read, if so.
    pub cause: String,
    /// What usually helps against that cause, when it looks like a usual mistake.
    pub advice: Option<String>,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.outcome)?;
        if !self.cause.is_empty() && self.cause != self.outcome.to_string() {
            write!(f, ": {}", self.cause)?;
        }
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, " ({} attempt{plural} of {} bytes", self.attempts, self.body_bytes)?;
        if self.ambiguous_attempts > 0 {
            write!(f, ", {} of which may have been taken", self.ambiguous_attempts)?;
        }
        f.write_str(")")?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Delivery {
    /// Whether the server took the request, in whole or in part.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted { .. })
    }

    /// Whether any attempt [may have been taken](Self::ambiguous_attempts) without our knowing.
    ///
    /// If so, what the outcome calls lost is not surely lost: the whole request when it failed,
    /// for whatever reason in the end, and the `rejected` spans of one that was accepted. If not,
    /// the server has none of those spans, as far as its answers are true.
    pub fn may_have_been_accepted(&self) -> bool {
        self.ambiguous_attempts > 0
    }
}

/// The delivery of a request that something else than a [`Transport`](crate::Transport) carried, in one
/// attempt: a simulator, a file, a queue.
impl From<Outcome> for Delivery {
    fn from(outcome: Outcome) -> Self {
        let ambiguous = matches!(outcome, Outcome::Failed(failure) if failure.is_ambiguous());
        Self {
            outcome,
            attempts: 1,
            ambiguous_attempts: u32::from(ambiguous),
            body_bytes: 0,
            response_undecodable: false,
            detail: String::new(),
            cause: String::new(),
            advice: None,
        }
    }
}

/// Taken, or not and why.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { rejected, message } => {
                f.write_str("accepted")?;
                if *rejected > 0 {
                    write!(f, " but for {rejected} spans")?;
                }
                match message {
                    Some(message) => write!(f, ", the receiver says: {}", text::sanitize(message)),
                    None => Ok(()),
                }
            }
            Self::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

debug_as_display!(Delivery, Outcome, Failure);

/// Why a request was given up. A closed list: every lost request has exactly one of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Only failures worth a retry, until the deadline; surely no attempt was taken.
    RetryDeadline {
        /// The last answer; `None` when no connection was made or the server's wait was still on.
        last: Option<ResponseStatus>,
    },
    /// An answer that forbids sending again: HTTP 4xx and 5xx but 429, 502, 503, 504; the
    /// permanent gRPC codes.
    Rejected {
        /// The answer.
        status: ResponseStatus,
    },
    /// HTTP 3xx. Redirects are never followed: headers must not reach another host.
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The server says that the request is too large (HTTP 413, or gRPC in its known wordings),
    /// or it is larger than gRPC can frame (4 GiB). Send smaller requests.
    TooLarge,
    /// Only failures worth a retry, until the deadline, and at least one attempt [may have been
    /// taken](Delivery::ambiguous_attempts).
    AmbiguousTimeout,
    /// An answer that is not OTLP: gRPC without a status or a message, bytes that are no HTTP.
    AmbiguousResponse,
    /// The answer of a success is larger than
    /// [`with_max_response_bytes`](crate::TransportBuilder::with_max_response_bytes) allows, as sent
    /// or inflated, or its head than 64 KiB. What it says of the spans is not known.
    ResponseTooLarge,
    /// No TLS session up to the deadline, and no attempt got further: certificate, name, version or handshake.
    Tls,
    /// Cancelled by the caller before an end.
    Shutdown,
    /// The [`Sink`](crate::Sink) panicked: it may have taken the request.
    SinkPanicked,
    /// A request that cannot be sent: it is no protobuf message, or was sent outside a tokio
    /// runtime.
    Unsendable,
}

impl Failure {
    /// Whether the attempt that ends like this may have been taken, by all that is known of it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            Self::AmbiguousTimeout
            | Self::AmbiguousResponse
            | Self::ResponseTooLarge
            | Self::Shutdown
            | Self::SinkPanicked => true,
            Self::RetryDeadline { .. }
            | Self::Rejected { .. }
            | Self::Redirect { .. }
            | Self::TooLarge
            | Self::Tls
            | Self::Unsendable => false,
        }
    }

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
            Self::SinkPanicked => "sink_panicked",
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
            Self::AmbiguousTimeout => {
                write!(f, "sent, but not surely answered before the deadline")
            }
            Self::AmbiguousResponse => write!(f, "answered, but not in OTLP"),
            Self::ResponseTooLarge => write!(f, "the answer is too large"),
            Self::Tls => write!(f, "no TLS session before the deadline"),
            Self::Shutdown => write!(f, "cancelled"),
            Self::SinkPanicked => write!(f, "the sink panicked"),
            Self::Unsendable => write!(f, "the request cannot be sent"),
        }
    }
}

impl std::error::Error for Failure {}
