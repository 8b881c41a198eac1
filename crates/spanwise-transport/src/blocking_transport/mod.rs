//! OTLP/HTTP without an async runtime: a transport that blocks its caller.

mod client;
mod connection;
mod resolver;
mod response;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::admission::Admission;
use crate::advice::Advice;
use crate::attempt::AttemptObserver;
use crate::body::Sent;
use crate::classify::AttemptOutcome;
use crate::encoder::Encoders;
use crate::explain::{self, Explanation};
use crate::jitter::Jitter;
use crate::mask::mask;
use crate::payload::Payload;
use crate::request_machine::{AfterAttempt, RequestMachine, RequestSettings, RequestStep};
use crate::{
    BuildError, Delivery, Endpoint, FailedAttempt, Failure, FramedRequest, Headers, Outcome,
    Protocol, TransportBuilder, text,
};
use client::Client;

/// Sends encoded OTLP trace export requests over HTTP/1.1 from a thread without an async runtime. Clones
/// share connections and settings.
///
/// It classifies answers and retries as [`Transport`](crate::Transport) does, with the same timeouts, and
/// uses only `std` for its connections. Several threads may send at once; each blocks until its request has
/// an outcome.
///
/// ```
/// use spanwise_transport::{Endpoint, Transport};
///
/// # let (receiver, _) = spanwise_receiver::Receiver::collecting()?;
/// # let (url, request) = (receiver.http_endpoint(), Vec::new());
/// let endpoint = Endpoint::parse_base("endpoint", &url)?;
/// let transport = Transport::builder().with_endpoint(endpoint).build_blocking()?;
/// let delivery = transport.send(request);
/// println!("{delivery}");
/// # assert!(delivery.is_accepted());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BlockingTransport {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    headers: Headers,
    encoders: Encoders,
    settings: RequestSettings,
    max_response_bytes: usize,
    admission: Admission,
    jitter: Jitter,
    client: Client,
    observer: Option<AttemptObserver>,
    crate_name: &'static str,
}

impl TransportBuilder {
    /// Validates the settings and builds a transport that needs no async runtime. Opens no socket.
    ///
    /// # Errors
    /// As [`build`](Self::build); and if the protocol is not [`Protocol::HttpProtobuf`], or there are a sink
    /// or several endpoints.
    pub fn build_blocking(self) -> Result<BlockingTransport, BuildError> {
        let endpoint = self.check_blocking()?;
        let client = Client::new(
            endpoint.clone(),
            self.headers.for_protocol(Protocol::HttpProtobuf)?,
            self.user_agent()?,
            self.idle.clone(),
            &self.connection,
        )?;
        let shared = Shared {
            endpoint,
            headers: self.headers,
            encoders: Encoders::new(self.compression),
            settings: RequestSettings {
                attempt_timeout: self.attempt_timeout,
                request_timeout: self.request_timeout,
                retry: self.retry,
            },
            max_response_bytes: self.max_response_bytes,
            admission: Admission::new(
                self.request_timeout
                    .saturating_sub(self.attempt_timeout)
                    .max(self.request_timeout / 2),
                self.circuit_breaker,
            ),
            jitter: Jitter::new(),
            client,
            observer: self.observer,
            crate_name: self.crate_name,
        };
        Ok(BlockingTransport { shared: Arc::new(shared) })
    }

    /// Checks the settings of a transport that needs no runtime, and returns its endpoint.
    fn check_blocking(&self) -> Result<Endpoint, BuildError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(|| Endpoint::localhost(self.protocol));
        self.check_numbers()?;
        let needs_runtime = |field: &'static str, value: &str, range: &str| {
            let (value, range) = (value.to_owned(), range.to_owned());
            Err(BuildError::OutOfRange { field, value, range })
        };
        if self.sink.is_some() {
            return needs_runtime("with_sink", "a sink", "none without a runtime");
        }
        if self.protocol != Protocol::HttpProtobuf {
            let value = self.protocol.name();
            return needs_runtime("with_protocol", value, "http/protobuf without a runtime");
        }
        if self.is_without_endpoint || !self.further_endpoints.is_empty() {
            return needs_runtime("with_endpoints", "a list", "one endpoint without a runtime");
        }
        if endpoint.unix_path().is_some() {
            return needs_runtime("with_endpoint", "a Unix socket", "a host without a runtime");
        }
        #[cfg(feature = "proxy")]
        if self.connection.proxy.is_some() {
            return needs_runtime("with_proxy", "a proxy", "none without a runtime");
        }
        self.compression.check(self.crate_name)?;
        self.check_tls(&endpoint)?;
        Ok(endpoint)
    }
}

impl BlockingTransport {
    /// Exports one request, as [`Transport::send`](crate::Transport::send): attempts run until the server
    /// accepts it, a failure is not retryable, or the request timeout expires.
    pub fn send(&self, request: impl Into<FramedRequest>) -> Delivery {
        self.run(request.into(), None)
    }

    /// As [`send`](Self::send), ended with [`Failure::Shutdown`] at `deadline`.
    pub fn send_until(&self, request: impl Into<FramedRequest>, deadline: Instant) -> Delivery {
        self.run(request.into(), Some(deadline))
    }

    /// The endpoint of requests.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    fn run(&self, request: FramedRequest, cancel: Option<Instant>) -> Delivery {
        let mut last = Explanation::default();
        let payload = Payload::new(request, Protocol::HttpProtobuf, &self.shared.encoders);
        let mut payload = match payload {
            Ok(payload) => payload,
            Err(failure) => {
                let failed = Delivery::from(Outcome::Failed(failure));
                return Delivery {
                    attempts: 0,
                    ambiguous_attempts: 0,
                    cause: failure.to_string(),
                    ..failed
                };
            }
        };
        let mut machine = RequestMachine::new(self.shared.settings, Instant::now());
        if payload.is_compressed() {
            machine = machine.with_compression();
        }
        let (outcome, is_undecodable) =
            match self.deliver(&mut payload, &mut machine, cancel, &mut last) {
                Ok((outcome, undecodable)) => {
                    let is_undecodable = undecodable.is_some();
                    last = Explanation::new(undecodable.unwrap_or_default(), None);
                    last.detail.clear();
                    (outcome, is_undecodable)
                }
                Err(failure) => (Outcome::Failed(failure), false),
            };
        let mut delivery = machine.delivery(outcome);
        delivery.body_bytes = payload.body_len(Protocol::HttpProtobuf);
        delivery.response_undecodable = is_undecodable;
        delivery.advice = self.advice(&last);
        (delivery.detail, delivery.cause) = (last.detail, last.cause);
        delivery
    }

    /// Runs attempts until one is accepted, with the reason why its response could not be decoded, or the
    /// request fails.
    fn deliver(
        &self,
        payload: &mut Payload,
        machine: &mut RequestMachine,
        cancel: Option<Instant>,
        last: &mut Explanation,
    ) -> Result<(Outcome, Option<String>), Failure> {
        let shared = &*self.shared;
        let is_cancelled = || cancel.is_some_and(|cancel| Instant::now() >= cancel);
        loop {
            if is_cancelled() {
                return Err(Failure::Shutdown);
            }
            let until = match machine.step(Instant::now(), &shared.admission) {
                RequestStep::WaitUntil(at) => {
                    let at = cancel.map_or(at, |cancel| at.min(cancel));
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                    continue;
                }
                RequestStep::Attempt { until } => until,
                RequestStep::End(failure) => {
                    if machine.attempts() == 0 {
                        let held = match shared.admission.throttle.ends(Instant::now()) {
                            Some(_) => "the throttle that the server requested was still in force",
                            None => "the circuit breaker was still open",
                        };
                        last.cause = held.to_owned();
                    }
                    return Err(failure);
                }
            };
            let (sent, probe) = (Sent::default(), machine.probe());
            let attempt_until = cancel.map_or(until, |cancel| until.min(cancel));
            let max = shared.max_response_bytes;
            let outcome = shared.client.attempt(payload, &sent, max, attempt_until);
            let is_failed = !matches!(outcome, AttemptOutcome::Accepted(_));
            if is_failed && attempt_until < until && is_cancelled() {
                machine.cancel(sent.is_set());
                probe.into_iter().for_each(|probe| shared.admission.breaker.release(probe));
                if last.cause.is_empty() {
                    *last = self.explain(&outcome);
                }
                return Err(Failure::Shutdown);
            }
            let explanation = self.explain(&outcome);
            let is_ambiguous = outcome.is_ambiguous();
            let draw = || shared.jitter.draw();
            let (now, openings) = (Instant::now(), machine.breaker_openings());
            let after = machine.after(now, outcome, &shared.admission, draw);
            let retry_in = match after {
                AfterAttempt::Accepted(accepted) => {
                    if machine.fell_back() {
                        shared.encoders.refuse();
                    }
                    let message = accepted.message.map(|message| self.clean(&message));
                    let undecodable = accepted.undecodable.map(|cause| self.clean(&cause));
                    let rejected = accepted.rejected;
                    return Ok((Outcome::Accepted { rejected, message }, undecodable));
                }
                AfterAttempt::Retry(wait) => Some(wait),
                AfterAttempt::WithoutCompression(_) => Some(Duration::ZERO),
                AfterAttempt::Failed(_) | AfterAttempt::CutOff(_) => None,
            };
            let is_refused = matches!(after, AfterAttempt::WithoutCompression(_));
            if let Some(observer) = &shared.observer {
                observer.notify(&FailedAttempt {
                    endpoint: shared.endpoint.to_string(),
                    protocol: Protocol::HttpProtobuf,
                    attempt: machine.attempts(),
                    cause: explanation.cause.clone(),
                    advice: match is_refused {
                        true => self.advice(&Explanation::new("", Advice::Compression)),
                        false => self.advice(&explanation),
                    },
                    retry_in: retry_in.map(|wait| wait.max(shared.admission.closed_for(now))),
                    circuit_breaker_opened: machine.breaker_openings() > openings,
                    is_too_large: matches!(after, AfterAttempt::Failed(Failure::TooLarge)),
                    may_have_been_accepted: is_ambiguous,
                    refused_compression: is_refused.then(|| shared.encoders.compression()),
                });
            }
            match after {
                AfterAttempt::WithoutCompression(status) => {
                    *last = explanation;
                    *payload = payload
                        .without_compression(Protocol::HttpProtobuf, &shared.encoders)
                        .ok_or(Failure::Rejected { status })?;
                }
                AfterAttempt::CutOff(failure) => return Err(failure),
                AfterAttempt::Failed(failure) => {
                    *last = explanation;
                    return Err(failure);
                }
                AfterAttempt::Retry(_) | AfterAttempt::Accepted(_) => *last = explanation,
            }
        }
    }

    /// Explains an attempt that failed; the texts are sanitized and masked.
    fn explain(&self, outcome: &AttemptOutcome) -> Explanation {
        let https = self.shared.endpoint.is_https();
        let found = explain::failed(outcome, Protocol::HttpProtobuf, https);
        Explanation {
            detail: self.clean(&found.detail),
            cause: self.clean(&found.cause),
            advice: found.advice,
        }
    }

    fn advice(&self, explanation: &Explanation) -> Option<String> {
        let Shared { endpoint, crate_name, .. } = &*self.shared;
        let advice = explanation.advice?;
        Some(advice.text(endpoint, Protocol::HttpProtobuf, crate_name))
    }

    fn clean(&self, text: &str) -> String {
        let Shared { endpoint, headers, .. } = &*self.shared;
        let queries = endpoint.secrets().map(str::to_owned);
        text::sanitize(&mask(text, headers.secrets().chain(queries)))
    }
}

impl fmt::Debug for BlockingTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingTransport")
            .field("endpoint", &self.shared.endpoint)
            .field("headers", &self.shared.headers)
            .field("compression", &self.shared.encoders)
            .field("attempt_timeout", &self.shared.settings.attempt_timeout)
            .field("request_timeout", &self.shared.settings.request_timeout)
            .finish_non_exhaustive()
    }
}
