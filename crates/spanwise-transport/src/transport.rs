//! The transport: sends export requests and retries them until they have an outcome.

mod memory;
mod probing;
mod progress;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use progress::Progress;
use spanwise_worker::__private::timer_deadline;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::advice::{Advice, AdviceNames};
use crate::attempt::AttemptObserver;
use crate::backend::Backend;
use crate::circuit_breaker::Probe;
use crate::classify::{Accepted, AttemptOutcome};
use crate::compression::CompressionSettings;
use crate::encoder::Encoders;
use crate::explain::{self, Explanation};
use crate::failover::Endpoints;
use crate::jitter::Jitter;
use crate::mask::mask;
use crate::payload::Payload;
use crate::request_machine::{AfterAttempt, RequestMachine, RequestSettings, RequestStep};
use crate::sent::Sent;
use crate::{
    Delivery, Endpoint, FailedAttempt, Failure, FramedRequest, Headers, Outcome, Protocol,
    TransportBuilder, text,
};

/// Sends encoded OTLP trace export requests to an endpoint, or to one of several. Clones share connections and
/// settings.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
    /// An observer of the requests of this clone.
    observer: Option<AttemptObserver>,
    /// The endpoints as the requests of this clone alone see them: see [`probing`](Self::probing).
    own_endpoints: Option<Arc<Endpoints>>,
}

struct Shared {
    protocol: Protocol,
    endpoint: Endpoint,
    headers: Headers,
    encoders: Encoders,
    settings: RequestSettings,
    max_response_bytes: usize,
    endpoints: Endpoints,
    /// Notified when an attempt ends, which may close the circuit breaker.
    attempt_ended: Notify,
    jitter: Jitter,
    backend: Backend,
    observer: Option<AttemptObserver>,
    /// The builder without its observers, for a comparison; `None` with a sink.
    settings_of_builder: Option<Box<TransportBuilder>>,
    /// The credentials of the proxy.
    proxy_secrets: Vec<String>,
    /// The names that the user knows.
    names: AdviceNames,
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
            encoders: Encoders::new(match backend {
                // A sink takes plain messages.
                Backend::Sink(_) => CompressionSettings::default(),
                _ => builder.compression,
            }),
            settings: RequestSettings {
                attempt_timeout: builder.attempt_timeout,
                request_timeout: builder.request_timeout,
                retry: builder.retry,
            },
            max_response_bytes: builder.max_response_bytes,
            endpoints: Endpoints::new(
                backend.endpoints(),
                builder.endpoint_selection,
                builder.longest_throttle(),
                builder.circuit_breaker,
            ),
            attempt_ended: Notify::new(),
            jitter: Jitter::new(),
            settings_of_builder: builder.settings_alone(),
            backend,
            observer: builder.observer.clone(),
            proxy_secrets: builder.proxy_secrets(),
            names: builder.advice_names(),
        };
        Self { shared: Arc::new(shared), observer: None, own_endpoints: None }
    }

    /// Sets an observer of each failed attempt of requests through this clone and its clones. The observer of
    /// [`TransportBuilder::with_attempt_observer`] receives them too, with the same duties.
    pub fn with_attempt_observer(
        mut self,
        observer: impl Fn(&FailedAttempt) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(AttemptObserver::new(observer));
        self
    }

    /// The OTLP transport protocol.
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    pub(crate) fn settings_of_builder(&self) -> Option<&TransportBuilder> {
        self.shared.settings_of_builder.as_deref()
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.shared.backend
    }

    pub(crate) fn encoders(&self) -> &Encoders {
        &self.shared.encoders
    }

    /// The endpoint of requests.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// The destination in diagnostics: the endpoint as `Display` prints it, or the
    /// [name](crate::Sink::name) of the sink.
    pub fn destination(&self) -> String {
        match &self.shared.backend {
            Backend::Sink(sink) => sink.name().to_owned(),
            _ => self.shared.endpoint.to_string(),
        }
    }

    /// Exports one request: attempts run until the server accepts it, a failure is not retryable,
    /// or the request timeout expires.
    ///
    /// `request` is a request that `spanwise-wire` framed, or a plain encoded
    /// `ExportTraceServiceRequest`; [`FramedRequest`] documents which of them are copied. All
    /// attempts share its bytes, which are dropped after the last attempt, or before the first one when a
    /// compressed copy is sent from which they can be restored (a quarter of their length at most).
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
        let mut delivery = match &progress.machine {
            Some(machine) => machine.delivery(outcome),
            // No attempt was made.
            None => Delivery { attempts: 0, ambiguous_attempts: 0, ..Delivery::from(outcome) },
        };
        delivery.body_bytes = progress.body_bytes;
        (delivery.status, delivery.encode_time) = (progress.status, progress.encode_time);
        delivery.response_undecodable = response_undecodable;
        delivery.detail = progress.last.detail;
        delivery.cause = progress.last.cause;
        delivery.advice = progress.last.advice.map(|advice| self.advice_text(advice));
        delivery
    }

    /// Runs attempts until one is accepted or the request fails.
    async fn deliver(
        &self,
        request: FramedRequest,
        progress: &mut Progress,
    ) -> Result<Accepted, Failure> {
        let (shared, endpoints) = (&*self.shared, self.endpoints());
        if tokio::runtime::Handle::try_current().is_err() {
            progress.last = Explanation::new("not inside a tokio runtime", None);
            return Err(Failure::Unsendable);
        }
        let begun = Instant::now();
        let payload = Payload::encode(request, shared.protocol, &shared.encoders);
        progress.encode_time = begun.elapsed();
        let mut payload = payload.map_err(|(failure, cause)| {
            progress.last = match failure {
                Failure::Unsendable if cause.is_empty() => {
                    Explanation::new("no protobuf message: it begins with a field 0", None)
                }
                other if cause.is_empty() => {
                    Explanation { cause: other.to_string(), ..Explanation::default() }
                }
                _ => Explanation { cause, ..Explanation::default() },
            };
            failure
        })?;
        progress.body_bytes = payload.body_len(shared.protocol);
        let mut machine = RequestMachine::new(shared.settings, Instant::now().into_std());
        if payload.is_compressed() {
            machine = machine.with_compression();
        }
        let machine = progress.machine.insert(machine);
        loop {
            let mut attempt_ended = pin!(shared.attempt_ended.notified());
            // Before the step: an attempt that ends after it is not missed.
            attempt_ended.as_mut().enable();
            let (index, step) = endpoints.step(machine, Instant::now().into_std());
            let until = match step {
                RequestStep::WaitUntil(at) => {
                    let wait = pin!(tokio::time::sleep_until(at.into()));
                    run_until_cancelled(wait, attempt_ended).await;
                    continue;
                }
                RequestStep::Attempt { until } => until.into(),
                RequestStep::End(failure) => {
                    if machine.attempts() == 0 {
                        let reason = endpoints.wait_reason(Instant::now().into_std());
                        progress.last.cause = reason.to_owned();
                    }
                    return Err(failure);
                }
            };
            let sent = progress.current.insert(Sent::default()).clone();
            let admission = endpoints.at(index);
            let mut in_flight = AttemptInFlight { shared, admission, probe: machine.probe() };
            let max = shared.max_response_bytes;
            let (backend, authority) = shared.backend.at(index);
            let outcome = backend.attempt(&payload, sent, max, until).await.at_endpoint(authority);
            progress.current = None;
            let is_sink = matches!(shared.backend, Backend::Sink(_));
            progress.status = outcome.status(shared.protocol).filter(|_| !is_sink);
            let explanation = self.explain(&outcome);
            let is_ambiguous = outcome.is_ambiguous();
            let now = Instant::now().into_std();
            let outcome = endpoints.attempt_ended(index, now, outcome);
            let openings = machine.breaker_openings();
            let after = machine.after(now, outcome, admission, || shared.jitter.draw());
            let wait = after.retry_in().map(|wait| wait.max(endpoints.closed_for(now)));
            let breaker_opened = machine.breaker_openings() > openings;
            let retry = Retry { wait, breaker_opened, is_ambiguous };
            in_flight.end();
            let is_accepted = matches!(after, AfterAttempt::Accepted(_));
            let followed = payload.follow(machine, is_accepted, shared.protocol, &shared.encoders);
            if let AfterAttempt::Accepted(accepted) = after {
                return Ok(accepted);
            }
            self.report_failed_attempt(machine.attempts(), &explanation, &after, &retry);
            match after {
                AfterAttempt::WithoutCompression(status) => {
                    progress.last = explanation;
                    followed.ok_or(Failure::Rejected { status })?;
                    progress.body_bytes = payload.body_len(shared.protocol);
                }
                AfterAttempt::CutOff(failure) => return Err(failure),
                AfterAttempt::Failed(failure) => {
                    progress.last = explanation;
                    return Err(failure);
                }
                AfterAttempt::Retry(_) | AfterAttempt::Accepted(_) => progress.last = explanation,
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
        advice.text(&shared.endpoint, shared.protocol, shared.names)
    }

    /// Reports an attempt that failed to the observers, if there are any.
    fn report_failed_attempt(
        &self,
        attempt: u32,
        explanation: &Explanation,
        after: &AfterAttempt,
        retry: &Retry,
    ) {
        let shared = &*self.shared;
        if shared.observer.is_none() && self.observer.is_none() {
            return;
        }
        let refused = matches!(after, AfterAttempt::WithoutCompression(_));
        // The usual advice for these statuses is about the endpoint.
        let advice = if refused { Some(Advice::Compression) } else { explanation.advice };
        let refused_compression = refused.then(|| shared.encoders.compression());
        let failed = FailedAttempt {
            endpoint: self.destination(),
            protocol: shared.protocol,
            attempt,
            cause: explanation.cause.clone(),
            advice: advice.map(|advice| self.advice_text(advice)),
            retry_in: retry.wait,
            circuit_breaker_opened: retry.breaker_opened,
            is_too_large: matches!(after, AfterAttempt::Failed(Failure::TooLarge)),
            may_have_been_accepted: retry.is_ambiguous,
            refused_compression,
        };
        for observer in [&shared.observer, &self.observer].into_iter().flatten() {
            observer.notify(&failed);
        }
    }

    fn clean(&self, text: &str) -> String {
        let shared = &*self.shared;
        let queries = shared.endpoint.secrets().map(str::to_owned);
        let secrets = shared.headers.secrets().chain(queries);
        text::sanitize(&mask(text, secrets.chain(shared.proxy_secrets.iter().cloned())))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("protocol", &self.shared.protocol)
            .field("endpoint", &self.shared.endpoint)
            .field("headers", &self.shared.headers)
            .field("compression", &self.shared.encoders)
            .field("attempt_timeout", &self.shared.settings.attempt_timeout)
            .field("request_timeout", &self.shared.settings.request_timeout)
            .finish_non_exhaustive()
    }
}

/// An attempt in flight. Dropped with a cancelled request, it leaves its probe of the circuit breaker to another one.
struct AttemptInFlight<'a> {
    shared: &'a Shared,
    /// Of its endpoint.
    admission: &'a Admission,
    probe: Option<Probe>,
}

impl AttemptInFlight<'_> {
    /// The attempt ended, and the circuit breaker knows how.
    fn end(&mut self) {
        self.probe = None;
        self.shared.attempt_ended.notify_waiters();
    }
}

impl Drop for AttemptInFlight<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe {
            self.admission.breaker.release(probe);
            self.end();
        }
    }
}
/// The next attempt after one that failed.
struct Retry {
    /// The wait before it; `None`: none follows.
    wait: Option<Duration>,
    /// Whether the failure opened the circuit breaker.
    breaker_opened: bool,
    /// Whether the receiver may have accepted the attempt that failed.
    is_ambiguous: bool,
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
