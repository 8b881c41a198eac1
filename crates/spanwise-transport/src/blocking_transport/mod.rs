//! OTLP/HTTP without an async runtime: a transport that blocks its caller.

mod client;
mod connection;
mod connector;
mod response;
mod socket;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::admission::Admission;
use crate::advice::{Advice, AdviceNames};
use crate::attempt::AttemptObserver;
use crate::classify::AttemptOutcome;
use crate::compression::CompressionSettings;
use crate::encoder::Encoders;
use crate::explain::{self, Explanation};
use crate::jitter::Jitter;
use crate::mask::mask;
use crate::payload::{self, Payload};
use crate::request_machine::{AfterAttempt, RequestMachine, RequestSettings, RequestStep};
use crate::sent::Sent;
use crate::sink::SinkBackend;
use crate::{
    BuildError, Delivery, Endpoint, FailedAttempt, Failure, FramedRequest, Headers, HttpVersion,
    Outcome, Protocol, TransportBuilder, text,
};
use client::Client;

/// Sends encoded OTLP trace export requests over HTTP/1.1, in protobuf or JSON, or to a [`Sink`](crate::Sink)
/// from a thread without an async runtime. Clones share connections and settings.
///
/// It classifies answers and retries as [`Transport`](crate::Transport) does, with the same timeouts, and
/// needs no tokio: its sockets and those of its proxies block. Several threads may send at once; each blocks
/// until its request has an outcome.
///
/// ```
/// use spanwise_transport::{BlockingTransport, Endpoint};
///
/// # let (receiver, _) = spanwise_receiver::Receiver::collecting()?;
/// # let (url, request) = (receiver.http_endpoint(), Vec::new());
/// let endpoint = Endpoint::parse_base("endpoint", &url)?;
/// let transport = BlockingTransport::builder().with_endpoint(endpoint).build_blocking()?;
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
    protocol: Protocol,
    endpoint: Endpoint,
    headers: Headers,
    encoders: Encoders,
    settings: RequestSettings,
    max_response_bytes: usize,
    admission: Admission,
    jitter: Jitter,
    backend: Backend,
    observer: Option<AttemptObserver>,
    /// The credentials of the proxy.
    proxy_secrets: Vec<String>,
    names: AdviceNames,
}

/// The destination of requests.
enum Backend {
    Http(Box<Client>),
    Sink(SinkBackend),
}

impl TransportBuilder {
    /// Validates the settings and builds a transport that needs no async runtime. Opens no socket.
    ///
    /// # Errors
    /// When a setting needs a feature that is not compiled in, a number is out of its range, a header cannot
    /// be sent, or a certificate, a key or the `User-Agent` prefix cannot be used; and if the protocol is
    /// [`Protocol::Grpc`] or there are several endpoints.
    pub fn build_blocking(self) -> Result<BlockingTransport, BuildError> {
        let endpoint = self.check_blocking()?;
        let backend = match &self.sink {
            Some(sink) => Backend::Sink(sink.clone()),
            None => {
                let headers = self.headers.for_protocol(self.protocol)?;
                let (user_agent, connection) = (self.user_agent()?, &self.connection);
                let client =
                    Client::new(self.protocol, endpoint.clone(), headers, user_agent, connection)?;
                Backend::Http(Box::new(client.with_idle_connections(self.idle.clone())))
            }
        };
        let (proxy_secrets, names) = (self.proxy_secrets(), self.advice_names());
        let compression = match backend {
            // A sink takes plain messages.
            Backend::Sink(_) => CompressionSettings::default(),
            Backend::Http(_) => self.compression,
        };
        let admission = Admission::new(self.longest_throttle(), self.circuit_breaker);
        let shared = Shared {
            protocol: self.protocol,
            endpoint,
            headers: self.headers,
            encoders: Encoders::new(compression),
            settings: RequestSettings {
                attempt_timeout: self.attempt_timeout,
                request_timeout: self.request_timeout,
                retry: self.retry,
            },
            max_response_bytes: self.max_response_bytes,
            admission,
            jitter: Jitter::new(),
            backend,
            observer: self.observer,
            proxy_secrets,
            names,
        };
        Ok(BlockingTransport { shared: Arc::new(shared) })
    }

    /// Checks the settings of a transport that needs no runtime, and returns its endpoint.
    fn check_blocking(&self) -> Result<Endpoint, BuildError> {
        let endpoint = self.first_endpoint();
        self.check_numbers()?;
        let needs_runtime = |field: &'static str, value: &str, range: &str| {
            let (value, range) = (value.to_owned(), range.to_owned());
            Err(BuildError::OutOfRange { field, value, range })
        };
        if self.protocol == Protocol::Grpc {
            let accepted = "http/protobuf or http/json without a runtime";
            return needs_runtime("with_protocol", self.protocol.name(), accepted);
        }
        if self.connection.http_version != HttpVersion::Http1 {
            return needs_runtime("with_http_version", "Http2", "Http1 without a runtime");
        }
        if self.is_without_endpoint || !self.further_endpoints.is_empty() {
            return needs_runtime("with_endpoints", "a list", "one endpoint without a runtime");
        }
        self.compression.check(self.crate_name)?;
        if self.sink.is_none() {
            self.check_tls(&endpoint, cfg!(feature = "blocking-tls"))?;
        }
        Ok(endpoint)
    }
}

impl BlockingTransport {
    /// A builder with the specification's defaults; [`build_blocking`](TransportBuilder::build_blocking) ends it.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::new()
    }

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

    /// The destination in diagnostics: the endpoint as `Display` prints it, or the
    /// [name](crate::Sink::name) of the sink.
    pub fn destination(&self) -> String {
        match &self.shared.backend {
            Backend::Http(_) => self.shared.endpoint.to_string(),
            Backend::Sink(sink) => sink.name().to_owned(),
        }
    }

    /// As [`Transport::compressed_bound`](crate::Transport::compressed_bound): maximum memory, in bytes, of the
    /// copies of a message of `message_len` bytes.
    pub fn compressed_bound(&self, message_len: usize) -> usize {
        match &self.shared.backend {
            Backend::Sink(sink) => sink.copy_bound(message_len),
            Backend::Http(_) => {
                payload::copies_bound(message_len, self.shared.protocol, &self.shared.encoders)
            }
        }
    }

    /// As [`Transport::encoder_bytes`](crate::Transport::encoder_bytes): maximum memory of one encoder in bytes.
    pub fn encoder_bytes(&self) -> usize {
        self.shared.encoders.encoder_bytes()
    }

    fn run(&self, request: FramedRequest, cancel: Option<Instant>) -> Delivery {
        let mut last = Explanation::default();
        let mut payload = match self.payload(request) {
            Ok(payload) => payload,
            Err((failure, cause)) => {
                let failed = Delivery::from(Outcome::Failed(failure));
                return Delivery { attempts: 0, ambiguous_attempts: 0, cause, ..failed };
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
        delivery.body_bytes = payload.body_len(self.shared.protocol);
        delivery.response_undecodable = is_undecodable;
        delivery.advice = self.advice(&last);
        (delivery.detail, delivery.cause) = (last.detail, last.cause);
        delivery
    }

    /// The bytes of all attempts; otherwise the failure and its cause.
    fn payload(&self, request: FramedRequest) -> Result<Payload, (Failure, String)> {
        let Shared { protocol, encoders, .. } = &*self.shared;
        Payload::encode(request, *protocol, encoders).map_err(|(failure, cause)| match failure {
            _ if !cause.is_empty() => (failure, cause),
            Failure::Unsendable => (failure, NO_PROTOBUF.to_owned()),
            other => (other, other.to_string()),
        })
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
            let outcome = match &shared.backend {
                Backend::Http(client) => client.attempt(payload, &sent, max, attempt_until),
                Backend::Sink(sink) => sink.attempt_blocking(payload, &sent, attempt_until),
            };
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
            let is_accepted = matches!(after, AfterAttempt::Accepted(_));
            let followed = payload.follow(machine, is_accepted, shared.protocol, &shared.encoders);
            let retry_in = after.retry_in();
            let after = match after {
                AfterAttempt::Accepted(accepted) => {
                    let message = accepted.message.map(|message| self.clean(&message));
                    let undecodable = accepted.undecodable.map(|cause| self.clean(&cause));
                    let rejected = accepted.rejected;
                    return Ok((Outcome::Accepted { rejected, message }, undecodable));
                }
                other => other,
            };
            let is_refused = matches!(after, AfterAttempt::WithoutCompression(_));
            if let Some(observer) = &shared.observer {
                observer.notify(&FailedAttempt {
                    endpoint: self.destination(),
                    protocol: shared.protocol,
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
                    followed.ok_or(Failure::Rejected { status })?;
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
        let Shared { protocol, endpoint, .. } = &*self.shared;
        let found = explain::failed(outcome, *protocol, endpoint.is_https());
        Explanation {
            detail: self.clean(&found.detail),
            cause: self.clean(&found.cause),
            advice: found.advice,
        }
    }

    fn advice(&self, explanation: &Explanation) -> Option<String> {
        let Shared { protocol, endpoint, names, .. } = &*self.shared;
        Some(explanation.advice?.text(endpoint, *protocol, *names))
    }

    fn clean(&self, text: &str) -> String {
        let Shared { endpoint, headers, proxy_secrets, .. } = &*self.shared;
        let others = endpoint.secrets().map(str::to_owned).chain(proxy_secrets.iter().cloned());
        text::sanitize(&mask(text, headers.secrets().chain(others)))
    }
}

const NO_PROTOBUF: &str = "no protobuf message: it begins with a field 0";

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
