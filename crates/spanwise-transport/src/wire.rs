//! One attempt: a request out, a verdict back.

use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use spanwise_worker::fork;
use tokio::runtime;
use tokio::time::Instant;

use crate::body::{self, Sent};
use crate::classify::{self, AttemptOutcome, Reply};
use crate::explain::{self, ConnectionContext};
use crate::framing::{self, PREFIX};
use crate::retry::Cause;
use crate::sink::SinkWire;
use crate::{Compression, Failure, FramedRequest, Protocol, compression, http1};

/// A request in the form in which every attempt sends it.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// With the gRPC prefix exactly when it goes out over gRPC.
    pub(crate) bytes: Bytes,
    pub(crate) gzip: bool,
}

impl Payload {
    /// Compresses and frames, once for all attempts.
    pub(crate) fn new(
        request: FramedRequest,
        protocol: Protocol,
        how: Compression,
    ) -> Result<Self, Failure> {
        // Field numbers begin at 1. What begins with 0 or 1 is a message behind a gRPC prefix, as
        // a rule: a receiver that skips it would say that it took nothing, or all.
        if request.message().first().is_some_and(|tag| *tag < FIRST_TAG) {
            return Err(Failure::Unsendable);
        }
        let framed = request.into_bytes();
        let packed = match how {
            Compression::None => None,
            Compression::Gzip => compression::deflate(&framed),
        };
        let gzip = packed.is_some();
        let len = packed.as_ref().map_or(framed.len(), Vec::len);
        let prefix = match protocol {
            Protocol::HttpProtobuf => None,
            Protocol::Grpc => Some(framing::prefix(len, gzip).ok_or(Failure::TooLarge)?),
        };
        let bytes = match (packed, prefix) {
            (Some(mut packed), prefix) => {
                // The copy takes its place: memory is not taken twice while attempts go on.
                drop(framed);
                if let Some((head, prefix)) = packed.first_chunk_mut().zip(prefix) {
                    *head = prefix;
                }
                packed.into()
            }
            // Somebody wrote into the memory that was shared.
            (None, Some(prefix)) if !framed.starts_with(&prefix) => {
                [&prefix, framed.get(PREFIX..).unwrap_or_default()].concat().into()
            }
            (None, _) => framed,
        };
        let bytes = match protocol {
            Protocol::HttpProtobuf => bytes.slice(PREFIX.min(bytes.len())..),
            Protocol::Grpc => bytes,
        };
        Ok(Self { bytes, gzip })
    }

    /// Bytes of the message itself.
    pub(crate) fn body_len(&self, protocol: Protocol) -> usize {
        match protocol {
            Protocol::HttpProtobuf => self.bytes.len(),
            Protocol::Grpc => self.bytes.len().saturating_sub(PREFIX),
        }
    }
}

/// The way out: what an attempt runs over.
#[derive(Debug)]
pub(crate) enum Wire {
    Http(Box<http1::HttpWire>),
    #[cfg(feature = "grpc")]
    Grpc(Box<crate::grpc::GrpcWire>),
    Sink(SinkWire),
    #[cfg(test)]
    Script(crate::mock::Script),
}

impl Wire {
    /// Sends `payload` and reads the answer of at most `max` bytes, all before `deadline`.
    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        match self {
            Self::Http(wire) => wire.attempt(payload, sent, max, deadline).await,
            #[cfg(feature = "grpc")]
            Self::Grpc(wire) => wire.attempt(payload, sent, max, deadline).await,
            Self::Sink(sink) => sink.attempt(payload, sent, deadline).await,
            #[cfg(test)]
            Self::Script(script) => script.attempt(payload, sent, deadline).await,
        }
    }
}

/// Waits for the answer that `call` leads to, reads what matters of it, at most `max` bytes, and
/// gives up at `deadline`.
///
/// An answer whose status is a failure has said what there is to say: its body is read for the
/// message in it, as far as that comes soon.
pub(crate) async fn exchange<B, E>(
    call: impl Future<Output = Result<Response<B>, E>>,
    sent: &Sent,
    context: &ConnectionContext,
    max: usize,
    deadline: Instant,
) -> Result<Reply, AttemptOutcome>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
    E: Error + 'static,
{
    let unanswered = || if sent.is_set() { Cause::Ambiguous } else { Cause::NotSent };
    let before = context.observations.state();
    let allowed = deadline.saturating_duration_since(Instant::now());
    let response = match tokio::time::timeout_at(deadline, call).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if !is_out_of_time(&error) => {
            return Err(broken(&error, unanswered(), context));
        }
        Ok(Err(_)) | Err(_) => {
            let explanation = context.out_of_time(sent.is_set(), before, allowed);
            return Err(
                AttemptOutcome::again(unanswered(), explanation.cause).advised(explanation.advice)
            );
        }
    };
    let (head, body) = response.into_parts();
    let (status, headers) = (head.status, head.headers);
    // gRPC's own status may be among the headers, with nothing after it.
    if !status.is_success() || classify::grpc_code(&headers).is_some_and(|code| code > 0) {
        let until = Instant::now()
            .checked_add(FAILURE_BODY_TIMEOUT)
            .map_or(deadline, |at| at.min(deadline));
        let (body, whole, trailers) = body::read_some(body, MAX_FAILURE_BODY_BYTES, until).await;
        return Ok(Reply { status, headers, body: Ok(body), whole, trailers, max });
    }
    let (body, trailers) = body::read(body, max, deadline).await;
    Ok(Reply { status, headers, whole: body.is_ok(), body, trailers, max })
}

/// Whether the client's own timer was faster than ours: tonic keeps the `grpc-timeout` we send.
fn is_out_of_time(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "grpc")]
    return below(error).any(|error| error.is::<tonic::TimeoutExpired>());
    #[cfg(not(feature = "grpc"))]
    {
        let _ = error;
        false
    }
}

/// What a failed connection means.
fn broken(
    error: &(dyn Error + 'static),
    unanswered: Cause,
    context: &ConnectionContext,
) -> AttemptOutcome {
    let explanation = context.broken(error, unanswered == Cause::Ambiguous);
    let mut cause = unanswered;
    for error in below(error) {
        // A session that breaks after bytes of the request left says nothing about them.
        if is_tls(error) && unanswered == Cause::NotSent {
            cause = Cause::Tls;
        }
        if is_refused(error) {
            cause = Cause::NotSent;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            let failure = match explain::is_too_large(error) {
                true => Failure::ResponseTooLarge,
                false => Failure::AmbiguousResponse,
            };
            return AttemptOutcome::permanent(failure, explanation.cause)
                .advised(explanation.advice);
        }
    }
    AttemptOutcome::again(cause, explanation.cause).advised(explanation.advice)
}

/// An error and those below it. Bounded: a cycle is impossible, but nothing here trusts that.
pub(crate) fn below<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error)).take(17)
}

/// The next error below. `io::Error` leaves the error it wraps out of `source`.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
        None => error.source(),
    }
}

#[cfg(feature = "tls")]
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
}

/// Whether the peer says that it did not process the stream: it was refused, or came after the
/// last that a closing connection still serves (RFC 9113, 6.8 and 8.7).
#[cfg(feature = "grpc")]
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    // h2 gives a remote GOAWAY to the streams above the last that the peer names, and to no other.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away())
    })
}

#[cfg(not(feature = "grpc"))]
fn is_refused(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(not(feature = "tls"))]
fn is_tls(_: &(dyn Error + 'static)) -> bool {
    false
}

/// A client of the runtime and the process it runs on: connections of a runtime that is gone are
/// dead, and those that a fork copied are the parent's.
#[derive(Debug)]
pub(crate) struct PerRuntime<C> {
    slot: Mutex<Option<((runtime::Id, u32), C)>>,
}

impl<C: Clone> PerRuntime<C> {
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(None) }
    }

    /// The client of the current runtime, made by `connect` on its first use there.
    pub(crate) fn client(&self, connect: impl FnOnce() -> C) -> Result<C, AttemptOutcome> {
        let id = runtime::Handle::try_current()
            .map_err(|error| AttemptOutcome::permanent(Failure::Unsendable, error.to_string()))?
            .id();
        let here = (id, fork::generation());
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((at, client)) if *at == here => Ok(client.clone()),
            _ => {
                let client = connect();
                *slot = Some((here, client.clone()));
                Ok(client)
            }
        }
    }
}

/// Limit for the body of a failed answer, as sent and inflated: enough for a sentence and the
/// details of gRPC.
pub(crate) const MAX_FAILURE_BODY_BYTES: usize = 8 << 10;
/// Time limit for that body, 1 s.
const FAILURE_BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// The lowest tag of a protobuf field: number 1, a varint.
const FIRST_TAG: u8 = 1 << 3;

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    use super::*;

    fn framed(len: usize) -> FramedRequest {
        FramedRequest::from_message(&vec![b'a'; len])
    }

    #[test]
    fn a_payload_shares_the_bytes_it_was_given() {
        let framed = framed(3000);
        let http = Payload::new(framed.clone(), Protocol::HttpProtobuf, Compression::None).unwrap();
        assert_eq!(http.bytes.as_ptr(), framed.message().as_ptr());
        assert_eq!((http.bytes.len(), http.gzip), (3000, false));
        let grpc = Payload::new(framed.clone(), Protocol::Grpc, Compression::None).unwrap();
        assert_eq!(grpc.bytes[PREFIX..].as_ptr(), framed.message().as_ptr());
        assert_eq!(grpc.bytes[..PREFIX], [0, 0, 0, 0x0b, 0xb8]);
        assert_eq!(grpc.body_len(Protocol::Grpc), 3000);
    }

    #[test]
    fn gzip_is_framed_for_grpc_and_bare_for_http() {
        let framed = framed(3000);
        for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
            let payload = Payload::new(framed.clone(), protocol, Compression::Gzip).unwrap();
            assert!(payload.gzip);
            let packed = match protocol {
                Protocol::HttpProtobuf => payload.bytes.clone(),
                Protocol::Grpc => {
                    let prefix = framing::prefix(payload.bytes.len(), true).unwrap();
                    assert_eq!(payload.bytes[..PREFIX], prefix);
                    payload.bytes.slice(PREFIX..)
                }
            };
            assert_eq!(packed.len(), payload.body_len(protocol));
            let mut plain = Vec::new();
            GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, framed.message());
        }
    }
}
