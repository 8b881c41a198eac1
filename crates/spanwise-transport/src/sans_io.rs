//! The ends of attempts as a caller without a network describes them.

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::classify::{self, AttemptOutcome, BodyFault, Reply};
use crate::request_machine::AfterAttempt;
use crate::retry::Cause;
use crate::{Delivery, Failure, Outcome, Protocol};

pub use crate::admission::Admission;
#[cfg(feature = "tokio")]
pub use crate::request_body::RequestBody;
pub use crate::request_machine::{RequestMachine, RequestSettings, RequestStep};

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// No byte of the request was sent: no connection, or the peer declared the request unprocessed.
    NotSent,
    /// Bytes were sent, and no complete response head came.
    Unanswered,
    /// There was no TLS session.
    NoTls,
    /// The peer answered with bytes that are not HTTP.
    NotHttp,
    /// A response.
    Response(Response),
}

/// A response as far as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status, 100 to 599.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: BodyEnd,
    /// Trailers, of gRPC.
    pub trailers: Vec<(&'static str, String)>,
}

/// The end of a response's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyEnd {
    /// The whole body.
    Complete(Vec<u8>),
    /// The connection failed or the attempt timed out within it.
    Lost,
    /// It exceeds the limit.
    TooLarge,
}

/// A classified end of an attempt.
#[derive(Debug)]
pub struct Attempted(AttemptOutcome);

impl AttemptEnd {
    /// Classifies the end by the tables of the specification, with the functions that
    /// [`Transport`](crate::Transport) uses. A `Retry-After` with a date needs `now`.
    pub fn classify(self, protocol: Protocol, now: SystemTime) -> Attempted {
        Attempted(match self {
            Self::NotSent => AttemptOutcome::retryable(Cause::NotSent, ""),
            Self::Unanswered => AttemptOutcome::retryable(Cause::Ambiguous, ""),
            Self::NoTls => AttemptOutcome::retryable(Cause::Tls, ""),
            Self::NotHttp => AttemptOutcome::permanent(Failure::AmbiguousResponse, ""),
            Self::Response(response) => match protocol {
                Protocol::HttpProtobuf | Protocol::HttpJson => {
                    classify::http(&response.into(), protocol, now)
                }
                Protocol::Grpc => classify::grpc(&response.into(), now),
            },
        })
    }
}

impl RequestMachine {
    /// The attempt ended at `now`. Returns the delivery when the request has ended; otherwise
    /// [`poll`](Self::poll) returns the next step. `random` draws a uniform number from all of `u64`.
    pub fn attempt_ended(
        &mut self,
        now: Instant,
        attempted: Attempted,
        admission: &Admission,
        random: impl FnOnce() -> u64,
    ) -> Option<Delivery> {
        let mut is_undecodable = false;
        let outcome = match self.after(now, attempted.0, admission, random) {
            AfterAttempt::Accepted(accepted) => {
                is_undecodable = accepted.undecodable.is_some();
                Outcome::Accepted { rejected: accepted.rejected, message: accepted.message }
            }
            AfterAttempt::Retry(_) | AfterAttempt::WithoutCompression(_) => return None,
            AfterAttempt::Failed(failure) | AfterAttempt::CutOff(failure) => {
                Outcome::Failed(failure)
            }
        };
        let mut delivery = self.delivery(outcome);
        delivery.response_undecodable = is_undecodable;
        Some(delivery)
    }

    /// The delivery of a request that the caller cancels. `sent`: an attempt is in flight, and bytes of
    /// it may have been sent.
    pub fn cancelled(&mut self, sent: bool, admission: &Admission) -> Delivery {
        if let Some(probe) = self.probe() {
            admission.breaker.release(probe);
        }
        self.cancel(sent);
        self.delivery(Outcome::Failed(Failure::Shutdown))
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        let Response { status, headers, body, trailers } = response;
        let body = match body {
            BodyEnd::Complete(body) => Ok(Bytes::from(body)),
            BodyEnd::Lost => Err(BodyFault::Lost(String::new())),
            BodyEnd::TooLarge => Err(BodyFault::TooLarge),
        };
        Self {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: map(&headers),
            whole: body.is_ok(),
            body,
            trailers: map(&trailers),
            max: MAX_RESPONSE_BYTES,
        }
    }
}

/// Headers whose name or value HTTP does not allow are left out.
fn map(headers: &[(&'static str, String)]) -> HeaderMap {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    pairs.collect()
}

/// The default of [`with_max_response_bytes`](crate::TransportBuilder::with_max_response_bytes).
const MAX_RESPONSE_BYTES: usize = 64 << 10;
