//! One HTTP exchange: the response to a request, or the reason why there is none.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::DATE;
use http_body::Body;
use tokio::time::Instant;

use crate::Failure;
use crate::body;
use crate::causes::causes;
use crate::classify::{self, AttemptOutcome, MAX_FAILURE_BODY_BYTES, Reply};
use crate::explain::{self, ConnectionContext};
use crate::http1::HeadTooLarge;
use crate::retry::Cause;
use crate::sent::Sent;

/// Awaits the response of `call` and reads its body, at most `max` bytes, until `deadline`.
///
/// The status alone classifies a failure: its body is read only for its message, for at most
/// [`FAILURE_BODY_TIMEOUT`].
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
            return Err(AttemptOutcome::retryable(unanswered(), explanation.cause)
                .with_advice(explanation.advice));
        }
    };
    let (head, body) = response.into_parts();
    let (status, headers) = (head.status, head.headers);
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
        context.observations.set_date(date);
    }
    // `grpc-status` may be among the headers, with nothing after it.
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

/// Whether the client's own timer expired before ours: tonic enforces the `grpc-timeout` we send.
fn is_out_of_time(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "grpc")]
    return causes(error).any(|error| error.is::<tonic::TimeoutExpired>());
    #[cfg(not(feature = "grpc"))]
    {
        let _ = error;
        false
    }
}

/// Classifies the error of a connection.
fn broken(
    error: &(dyn Error + 'static),
    unanswered: Cause,
    context: &ConnectionContext,
) -> AttemptOutcome {
    let explanation = context.broken(error, unanswered == Cause::Ambiguous);
    let mut cause = match unanswered {
        // Other connections get the same answer, until a certificate is replaced.
        Cause::NotSent if context.observations.state().rejection.is_some() => Cause::Tls,
        unanswered => unanswered,
    };
    for error in causes(error) {
        // A TLS session that fails after bytes were sent leaves their acceptance unknown.
        if (is_tls(error) && unanswered == Cause::NotSent) || rejects_our_certificate(error) {
            cause = Cause::Tls;
        }
        if is_refused(error) {
            cause = Cause::NotSent;
        }
        if error.is::<HeadTooLarge>() {
            return AttemptOutcome::permanent(Failure::ResponseTooLarge, error.to_string());
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            let failure = match explain::is_too_large(error) {
                true => Failure::ResponseTooLarge,
                false => Failure::AmbiguousResponse,
            };
            return AttemptOutcome::permanent(failure, explanation.cause)
                .with_advice(explanation.advice);
        }
    }
    AttemptOutcome::retryable(cause, explanation.cause).with_advice(explanation.advice)
}

#[cfg(feature = "tls")]
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
}

/// Whether the server rejected the client's certificate. In TLS 1.3 it does so after the client has sent
/// its request, none of which it has decrypted then (RFC 8446, 4.4.2.4 and 6.2).
#[cfg(feature = "tls")]
fn rejects_our_certificate(error: &(dyn Error + 'static)) -> bool {
    matches!(
        error.downcast_ref::<rustls::Error>(),
        Some(rustls::Error::AlertReceived(alert)) if crate::tls::is_about_our_certificate(*alert)
    )
}

/// Whether the peer declared the stream unprocessed: REFUSED_STREAM, or a GOAWAY with a lower last
/// stream (RFC 9113, 6.8 and 8.7).
#[cfg(any(feature = "grpc", feature = "http2"))]
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    // h2 reports a remote GOAWAY to the streams above the last that the peer names, and to no other.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away())
    })
}

#[cfg(not(any(feature = "grpc", feature = "http2")))]
fn is_refused(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(not(feature = "tls"))]
fn rejects_our_certificate(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(not(feature = "tls"))]
fn is_tls(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Time limit for the body of a failed response, 1 s.
const FAILURE_BODY_TIMEOUT: Duration = Duration::from_secs(1);
