//! The result of an export request: exactly one outcome, from a closed list.

use std::fmt;
use std::time::Duration;

use crate::{ResponseStatus, text};

/// The result of one export request, returned by [`send`](crate::Transport::send).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The outcome of the request.
    pub outcome: Outcome,
    /// The number of attempts. 0 when a throttle that the server requested, or the circuit breaker, outlasted the
    /// deadline.
    pub attempts: u32,
    /// The number of attempts that the server may have accepted without a conclusive response:
    /// bytes were sent, and no response came, or an inconclusive one (a gateway's 502 or 504;
    /// gRPC's `CANCELLED` or `DEADLINE_EXCEEDED`; no OTLP). Each may be a duplicate at the server.
    pub ambiguous_attempts: u32,
    /// The number of times that a failed attempt of the request opened the
    /// [circuit breaker](crate::CircuitBreaker), which was closed before.
    pub breaker_openings: u32,
    /// Bytes of the request's body as sent, after compression and without the gRPC prefix.
    pub body_bytes: usize,
    /// The status of the last response; `None` when the last attempt had none, and for a sink.
    pub status: Option<ResponseStatus>,
    /// The time that it took to make the body: to transcode and to compress it.
    pub encode_time: Duration,
    /// Whether the response was HTTP 2xx and its body no `ExportTraceServiceResponse`: another
    /// content type or encoding, or another message. The request counts as accepted, and
    /// [`cause`](Self::cause) describes the body: the endpoint may not be an OTLP receiver.
    pub response_undecodable: bool,
    /// The last failure message of the server or the connection: at most 256 bytes, one line, no
    /// control characters, our header values masked. Empty when there was no message.
    pub detail: String,
    /// The cause of the last failed attempt, in words, with the server's message: as
    /// [`FailedAttempt::cause`](crate::FailedAttempt::cause). An attempt that the deadline cut off
    /// before it sent anything leaves the cause before it. For a cancelled request, the cause of the
    /// attempt before or, if none had failed, the stage that the attempt had reached. For an accepted
    /// request, the reason why the response could not be decoded, if so.
    pub cause: String,
    /// Advice against that cause, when it matches a common misconfiguration.
    pub advice: Option<String>,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, repeated) = self.shown_outcome();
        f.write_str(&outcome)?;
        match self.cause.strip_prefix(&*repeated) {
            Some(rest) if rest.is_empty() || rest.starts_with(": ") => f.write_str(rest)?,
            _ if self.cause.is_empty() => {}
            _ => write!(f, ": {}", self.cause)?,
        }
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, " ({} attempt{plural} of {} bytes", self.attempts, self.body_bytes)?;
        if self.ambiguous_attempts > 0 {
            write!(f, ", {} of which may have been accepted", self.ambiguous_attempts)?;
        }
        f.write_str(")")?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Delivery {
    /// The outcome, and the start of a cause that repeats it.
    fn shown_outcome(&self) -> (String, String) {
        let outcome = self.outcome.to_string();
        match self.outcome {
            Outcome::Failed(
                Failure::Rejected { status } | Failure::RetryDeadline { last: Some(status) },
            ) => {
                let reason = status.with_reason();
                (outcome.replace(&status.to_string(), &reason), reason)
            }
            _ => (outcome.clone(), outcome),
        }
    }

    /// Whether the server accepted the request, in whole or in part.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted { .. })
    }

    /// Whether any attempt [may have been accepted](Self::ambiguous_attempts) without a conclusive
    /// response.
    ///
    /// If so, the loss that the outcome states is uncertain: the whole request when it failed, for
    /// any final reason, and the `rejected` spans of an accepted one. If not, the server has none
    /// of those spans, provided that its responses are true.
    pub fn may_have_been_accepted(&self) -> bool {
        self.ambiguous_attempts > 0
    }
}

/// The delivery of a request that a simulator, a file or a queue handled in one attempt, in place of
/// a [`Transport`](crate::Transport).
impl From<Outcome> for Delivery {
    fn from(outcome: Outcome) -> Self {
        let ambiguous = matches!(outcome, Outcome::Failed(failure) if failure.is_ambiguous());
        Self {
            outcome,
            attempts: 1,
            ambiguous_attempts: u32::from(ambiguous),
            breaker_openings: 0,
            body_bytes: 0,
            status: None,
            encode_time: Duration::ZERO,
            response_undecodable: false,
            detail: String::new(),
            cause: String::new(),
            advice: None,
        }
    }
}

/// The outcome of an export request: accepted or failed.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server accepted the request.
    Accepted {
        /// `rejected_spans` of a partial success, at least 0 and not checked against the number
        /// sent. They must not be sent again.
        rejected: u64,
        /// `error_message` of a partial success, or a warning; sanitized like
        /// [`Delivery::detail`].
        message: Option<String>,
    },
    /// The server did not accept the request, or its acceptance is unknown.
    Failed(Failure),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { rejected, message } => {
                f.write_str("accepted")?;
                if *rejected > 0 {
                    write!(f, " except {rejected} spans")?;
                }
                match message {
                    Some(message) => {
                        write!(f, "; the receiver's message: {}", text::sanitize(message))
                    }
                    None => Ok(()),
                }
            }
            Self::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

debug_as_display!(Delivery, Outcome, Failure);

/// The reason why a request failed. The list is closed: every failed request has exactly one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Every attempt failed with a retryable error, and the deadline left no time for another; the server accepted
    /// none.
    RetryDeadline {
        /// The status of the last response; `None` when no connection was made, or no attempt before the throttle
        /// of the server or the circuit breaker ended.
        last: Option<ResponseStatus>,
    },
    /// A response that is not retryable: HTTP 4xx and 5xx except 429, 502, 503, 504; the permanent
    /// gRPC codes.
    Rejected {
        /// The status of the response.
        status: ResponseStatus,
    },
    /// HTTP 3xx. Redirects are never followed: headers must not reach another host.
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The server rejected the request as too large, or the request is larger than gRPC can frame (4 GiB). Send
    /// smaller requests. HTTP 413; HTTP 400 with the Collector's message `request body too large`; the gRPC
    /// codes `RESOURCE_EXHAUSTED` and `OUT_OF_RANGE` with the message of a size limit and without `RetryInfo`.
    TooLarge,
    /// Every attempt failed with a retryable error until the deadline, and the server [may have
    /// accepted](Delivery::ambiguous_attempts) at least one.
    AmbiguousTimeout,
    /// A response that is not OTLP: gRPC without a status or a message, or bytes that are not HTTP.
    AmbiguousResponse,
    /// The response of a success is larger than
    /// [`with_max_response_bytes`](crate::TransportBuilder::with_max_response_bytes) allows, as sent
    /// or inflated, or its headers are larger than 64 KiB, or 256 KiB with those of interim responses (103). Its
    /// partial success is unknown.
    ResponseTooLarge,
    /// No attempt before the deadline established a TLS session: certificate, name, version or
    /// handshake.
    Tls,
    /// The caller cancelled the request before it had an outcome.
    Shutdown,
    /// The [`Sink`](crate::Sink) panicked: it may have accepted the request.
    SinkPanicked,
    /// The request cannot be sent: it is not a protobuf message, or `send` was polled outside a
    /// tokio runtime.
    Unsendable,
}

impl Failure {
    /// Whether the server may have accepted an attempt that ends like this.
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
                write!(f, "still {status} at the last attempt before the deadline")
            }
            Self::RetryDeadline { last: None } => write!(f, "no response before the deadline"),
            Self::Rejected { status } => write!(f, "rejected with {status}"),
            Self::Redirect { status } => write!(f, "redirected with HTTP {status}, not followed"),
            Self::TooLarge => write!(f, "the request is too large"),
            Self::AmbiguousTimeout => {
                write!(f, "sent, but without a conclusive response before the deadline")
            }
            Self::AmbiguousResponse => write!(f, "answered, but not in OTLP"),
            Self::ResponseTooLarge => write!(f, "the answer is too large"),
            Self::Tls => write!(f, "no TLS session in any attempt"),
            Self::Shutdown => write!(f, "cancelled"),
            Self::SinkPanicked => write!(f, "the exporter or the sink panicked"),
            Self::Unsendable => write!(f, "the request cannot be sent"),
        }
    }
}

impl std::error::Error for Failure {}
