//! The transport: sends export requests and retries them until they have an outcome.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use spanwise_worker::__private::timer_deadline;
use tokio::time::Instant;

use crate::advice::Advice;
use crate::attempt::AttemptObserver;
use crate::backend::Backend;
use crate::body::Sent;
use crate::classify::{Accepted, AttemptOutcome};
use crate::deadline::deadline_after;
use crate::explain::{self, Explanation};
use crate::jitter::Jitter;
use crate::mask::mask;
use crate::payload::Payload;
use crate::retry::{Cause, Retry, Step};
use crate::throttle::Throttle;
use crate::{
    Compression, Delivery, Endpoint, FailedAttempt, Failure, FramedRequest, Headers, Outcome,
    Protocol, RetryPolicy, TransportBuilder, compression, text,
};

/// Sends encoded OTLP trace export requests to one endpoint. Clones share connections and settings.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    protocol: Protocol,
    endpoint: Endpoint,
    headers: Headers,
    compression: Compression,
    attempt_timeout: Duration,
    request_timeout: Duration,
    retry: RetryPolicy,
    max_response_bytes: usize,
    throttle: Throttle,
    jitter: Jitter,
    backend: Backend,
    observer: Option<AttemptObserver>,
    /// The crate whose features the user enables.
    crate_name: &'static str,
}

impl Transport {
    /// A builder with the specification's defaults.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::new()
    }

    pub(crate) fn new(builder: &TransportBuilder, endpoint: Endpoint, backend: Backend) -> Self {
        let shared = Shared {
            protocol: builder.protocol,
            endpoint,
            headers: builder.headers.clone(),
            compression: builder.compression,
            attempt_timeout: builder.attempt_timeout,
            request_timeout: builder.request_timeout,
            retry: builder.retry,
            max_response_bytes: builder.max_response_bytes,
            throttle: Throttle::new(
                builder
                    .request_timeout
                    .saturating_sub(builder.attempt_timeout)
                    .max(builder.request_timeout / 2),
            ),
            jitter: Jitter::new(),
            backend,
            observer: builder.observer.clone(),
            crate_name: builder.crate_name,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The OTLP transport protocol.
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    /// The compression of request bodies.
    pub fn compression(&self) -> Compression {
        self.shared.compression
    }

    /// Maximum memory, in bytes, of the compressed copy of a message of `message_len` bytes at any
    /// time until its request ends, including the encoder. 0 when there is no copy.
    ///
    /// A caller with a memory budget charges it before the request is sent. The copy is allocated
    /// once, as large as the message; the encoder's memory is freed when the copy is complete. A
    /// message that would not become smaller is sent uncompressed, and the copy is freed. The bound
    /// excludes the request itself: see [`send`](Self::send).
    pub fn compressed_bound(&self, message_len: usize) -> usize {
        match self.shared.compression {
            Compression::None => 0,
            Compression::Gzip => compression::bound(message_len),
        }
    }

    /// The endpoint of requests.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// Exports one request: attempts run until the server accepts it, a failure is not retryable,
    /// or the request timeout expires.
    ///
    /// `request` is a request that `spanwise-wire` framed, or a plain encoded
    /// `ExportTraceServiceRequest`; [`FramedRequest`] documents which of them are copied. All
    /// attempts share its bytes, which are dropped after the last attempt, or before the first one
    /// when a compressed copy is sent.
    ///
    /// Dropping the future cancels the request and closes its connection.
    ///
    /// # Panics
    /// On a tokio runtime without time or I/O, as tokio does.
    pub async fn send(&self, request: impl Into<FramedRequest>) -> Delivery {
        self.send_with_cancel(request, std::future::pending()).await
    }

    /// As [`send`](Self::send), ended with [`Failure::Shutdown`] at `deadline`.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub async fn send_until(
        &self,
        request: impl Into<FramedRequest>,
        deadline: std::time::Instant,
    ) -> Delivery {
        let deadline = timer_deadline(deadline).into();
        self.send_with_cancel(request, tokio::time::sleep_until(deadline)).await
    }

    /// As [`send`](Self::send), ended with [`Failure::Shutdown`] when `cancel` completes.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub async fn send_with_cancel(
        &self,
        request: impl Into<FramedRequest>,
        cancel: impl Future<Output = ()>,
    ) -> Delivery {
        let mut progress = Progress::default();
        let end = {
            let delivering = pin!(self.deliver(request.into(), &mut progress));
            run_until_cancelled(delivering, pin!(cancel)).await
        };
        let (outcome, response_undecodable) = match end {
            Some(Ok(accepted)) => {
                // An accepted request has no cause of failure.
                progress.last = Explanation::default();
                let undecodable = accepted.undecodable.is_some();
                if let Some(cause) = accepted.undecodable {
                    progress.last.cause = self.clean(&cause);
                }
                let message = accepted.message.map(|message| self.clean(&message));
                let rejected = accepted.rejected;
                (Outcome::Accepted { rejected, message }, undecodable)
            }
            Some(Err(failure)) => (Outcome::Failed(failure), false),
            None => {
                progress.abandon();
                (Outcome::Failed(Failure::Shutdown), false)
            }
        };
        Delivery {
            outcome,
            attempts: progress.attempts,
            ambiguous_attempts: progress.ambiguous,
            body_bytes: progress.body_bytes,
            response_undecodable,
            detail: progress.last.detail,
            cause: progress.last.cause,
            advice: progress.last.advice.map(|advice| self.advice_text(advice)),
        }
    }

    /// Runs attempts until one is accepted or the request fails.
    async fn deliver(
        &self,
        request: FramedRequest,
        progress: &mut Progress,
    ) -> Result<Accepted, Failure> {
        let shared = &*self.shared;
        if tokio::runtime::Handle::try_current().is_err() {
            progress.last = Explanation::new("not inside a tokio runtime", None);
            return Err(Failure::Unsendable);
        }
        let payload = Payload::new(request, shared.protocol, shared.compression);
        let payload = payload.inspect_err(|failure| {
            progress.last = match failure {
                Failure::Unsendable => {
                    Explanation::new("no protobuf message: it begins with a field 0", None)
                }
                other => Explanation { cause: other.to_string(), ..Explanation::default() },
            }
        })?;
        progress.body_bytes = payload.body_len(shared.protocol);
        let start = Instant::now();
        let deadline = deadline_after(start, shared.request_timeout);
        let mut retry = Retry::new(shared.retry, shared.request_timeout);
        let mut last = Cause::NotSent;
        loop {
            shared.throttle.wait(deadline).await;
            let now = Instant::now();
            if now >= deadline {
                if progress.attempts == 0 {
                    let held = "the throttle that the server requested was still in force";
                    progress.last.cause = held.to_owned();
                }
                return Err(progress.give_up(last.failure()));
            }
            let sent = progress.begin();
            let until = deadline_after(now, shared.attempt_timeout).min(deadline);
            let outcome =
                shared.backend.attempt(&payload, sent, shared.max_response_bytes, until).await;
            progress.end(&outcome);
            let explanation = self.explain(&outcome);
            let (cause, throttle) = match outcome {
                AttemptOutcome::Accepted(accepted) => return Ok(accepted),
                AttemptOutcome::Permanent { failure, ambiguous, .. } => {
                    self.report_failed_attempt(progress.attempts, &explanation, None, ambiguous);
                    progress.last = explanation;
                    return Err(failure);
                }
                AttemptOutcome::Retryable { cause, throttle, .. } => (cause, throttle),
            };
            let now = Instant::now();
            if cause == Cause::NotSent && now >= deadline && progress.attempts > 1 {
                // The deadline cut the attempt off before it sent anything: the attempt before it has
                // the better cause.
                self.report_failed_attempt(progress.attempts, &explanation, None, false);
                return Err(progress.give_up(last.failure()));
            }
            if let Some(wait) = throttle {
                shared.throttle.hold(now, wait);
            }
            let step = retry.after(now - start, cause, throttle, shared.jitter.draw());
            let retry_in = match step {
                Step::Wait(wait) => Some(wait),
                Step::GiveUp(_) => None,
            };
            self.report_failed_attempt(
                progress.attempts,
                &explanation,
                retry_in,
                cause.is_ambiguous(),
            );
            (last, progress.last) = (cause, explanation);
            match step {
                Step::Wait(wait) => tokio::time::sleep(wait).await,
                Step::GiveUp(failure) => return Err(progress.give_up(failure)),
            }
        }
    }

    /// Explains an attempt that failed; the texts are sanitized and masked.
    fn explain(&self, outcome: &AttemptOutcome) -> Explanation {
        let shared = &*self.shared;
        let found = explain::failed(outcome, shared.protocol, shared.endpoint.is_https());
        Explanation {
            detail: self.clean(&found.detail),
            cause: self.clean(&found.cause),
            advice: found.advice,
        }
    }

    fn advice_text(&self, advice: Advice) -> String {
        let shared = &*self.shared;
        advice.text(&shared.endpoint, shared.protocol, shared.crate_name)
    }

    /// Reports an attempt that failed to the observer, if there is one.
    fn report_failed_attempt(
        &self,
        attempt: u32,
        explanation: &Explanation,
        retry_in: Option<Duration>,
        may_have_been_accepted: bool,
    ) {
        let shared = &*self.shared;
        let Some(observer) = &shared.observer else { return };
        observer.notify(&FailedAttempt {
            endpoint: match shared.backend {
                Backend::Sink(_) => "the sink".to_owned(),
                _ => shared.endpoint.to_string(),
            },
            protocol: shared.protocol,
            attempt,
            cause: explanation.cause.clone(),
            advice: explanation.advice.map(|advice| self.advice_text(advice)),
            retry_in,
            may_have_been_accepted,
        });
    }

    fn clean(&self, text: &str) -> String {
        let shared = &*self.shared;
        let queries = shared.endpoint.secrets().map(str::to_owned);
        text::sanitize(&mask(text, shared.headers.secrets().chain(queries)))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("protocol", &self.shared.protocol)
            .field("endpoint", &self.shared.endpoint)
            .field("headers", &self.shared.headers)
            .field("compression", &self.shared.compression)
            .field("attempt_timeout", &self.shared.attempt_timeout)
            .field("request_timeout", &self.shared.request_timeout)
            .finish_non_exhaustive()
    }
}

/// The progress of one request; it outlives a cancelled future.
#[derive(Debug, Default)]
struct Progress {
    attempts: u32,
    ambiguous: u32,
    body_bytes: usize,
    /// The explanation of the last failed attempt; the texts are sanitized and masked.
    last: Explanation,
    /// The attempt in flight.
    current: Option<Sent>,
}

impl Progress {
    fn begin(&mut self) -> Sent {
        self.attempts = self.attempts.saturating_add(1);
        self.current.insert(Sent::default()).clone()
    }

    fn end(&mut self, outcome: &AttemptOutcome) {
        self.current = None;
        if outcome.is_ambiguous() {
            self.ambiguous = self.ambiguous.saturating_add(1);
        }
    }

    /// Records that the attempt in flight was cancelled.
    fn abandon(&mut self) {
        let Some(sent) = self.current.take() else { return };
        if sent.is_set() {
            self.ambiguous = self.ambiguous.saturating_add(1);
        }
        if self.last.cause.is_empty() {
            self.last.cause = match sent.is_set() {
                true => "cancelled before an answer came".to_owned(),
                false => "cancelled before a connection was made".to_owned(),
            };
        }
    }

    /// The failure at the deadline: `failure`, or an ambiguous timeout if any attempt was ambiguous.
    fn give_up(&self, failure: Failure) -> Failure {
        if self.ambiguous > 0 { Failure::AmbiguousTimeout } else { failure }
    }
}

/// Runs `future` to its output, or returns `None` when `cancel` completes first.
async fn run_until_cancelled<F: Future>(
    mut future: Pin<&mut F>,
    mut cancel: Pin<&mut impl Future<Output = ()>>,
) -> Option<F::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        cancel.as_mut().poll(cx).map(|()| None)
    })
    .await
}
