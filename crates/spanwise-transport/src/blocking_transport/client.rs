//! An HTTP/1.1 client of one endpoint that blocks its caller.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};

use super::connection::{Connection, Timed, is_timeout};
use super::connector::{ConnectFault, Connector};
use super::response::{Head, HeadFault, ResponseReader};
use crate::address::address;
use crate::classify::{self, AttemptOutcome, MAX_FAILURE_BODY_BYTES, Reply};
use crate::explain::ConnectionContext;
use crate::idle_connections::IdleCount;
use crate::payload::Payload;
use crate::retry::Cause;
use crate::sent::Sent;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint, Failure, IdleConnections, Protocol};

/// A client with its idle connections, and the headers of its requests.
pub(super) struct Client {
    protocol: Protocol,
    endpoint: Endpoint,
    headers: HeaderMap,
    context: ConnectionContext,
    connector: Connector,
    settings: IdleConnections,
    /// The newest last, each counted.
    idle: Mutex<Vec<(Connection, IdleCount)>>,
}

impl Client {
    pub(super) fn new(
        protocol: Protocol,
        endpoint: Endpoint,
        mut headers: HeaderMap,
        user_agent: HeaderValue,
        connection: &ConnectionSettings,
    ) -> Result<Self, BuildError> {
        headers.entry(USER_AGENT).or_insert(user_agent);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
        let context = ConnectionContext::new(protocol, &endpoint);
        let connector = Connector::new(&endpoint, connection, &context)?;
        let (settings, idle) = (IdleConnections::default(), Mutex::new(Vec::new()));
        Ok(Self { protocol, endpoint, headers, context, connector, settings, idle })
    }

    pub(super) fn with_idle_connections(mut self, settings: IdleConnections) -> Self {
        self.settings = settings;
        self
    }

    /// Runs one attempt, until `deadline` at most.
    pub(super) fn attempt(
        &self,
        payload: &Payload,
        sent: &Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        let before = self.context.observations.state();
        let allowed = deadline.saturating_duration_since(Instant::now());
        match self.exchange(&Exchange { payload, sent, max, deadline }) {
            Ok(reply) => {
                let outcome = classify::http(&reply, self.protocol, SystemTime::now());
                #[cfg(feature = "proxy")]
                if let Some(proxy) = self.connector.target().forwarding_proxy() {
                    return outcome.through_proxy(proxy);
                }
                outcome
            }
            Err(Fault::Connect(ConnectFault::Socket(problem))) => {
                self.broken(&problem, Cause::NotSent)
            }
            Err(Fault::Connect(ConnectFault::Tls(error))) if !is_timeout(&error) => {
                self.broken(&error, Cause::Tls)
            }
            Err(Fault::Io(error)) if !is_timeout(&error) => self.broken(&error, unanswered(sent)),
            Err(Fault::Connect(_) | Fault::Io(_)) => {
                let explanation = self.context.out_of_time(sent.is_set(), before, allowed);
                AttemptOutcome::retryable(unanswered(sent), explanation.cause)
                    .with_advice(explanation.advice)
            }
            Err(Fault::NotHttp) => {
                let explanation = self.context.not_http();
                AttemptOutcome::permanent(Failure::AmbiguousResponse, explanation.cause)
                    .with_advice(explanation.advice)
            }
            Err(Fault::HeadTooLarge) => AttemptOutcome::permanent(
                Failure::ResponseTooLarge,
                "the head of the answer is too large",
            ),
        }
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static), cause: Cause) -> AttemptOutcome {
        let explanation = self.context.broken(error, cause == Cause::Ambiguous);
        AttemptOutcome::retryable(cause, explanation.cause).with_advice(explanation.advice)
    }

    fn exchange(&self, exchange: &Exchange<'_>) -> Result<Reply, Fault> {
        if let Some(idle) = self.take_idle() {
            let reply = self.exchange_on(idle, exchange)?;
            // The end of an idle connection, which crossed the request: RFC 9110, 15.5.9 allows to repeat it.
            if !reply.is_request_timeout() {
                return Ok(reply);
            }
        }
        let connection = self.connector.connect(exchange.deadline).map_err(Fault::Connect)?;
        self.exchange_on(connection, exchange)
    }

    fn exchange_on(
        &self,
        mut connection: Connection,
        exchange: &Exchange<'_>,
    ) -> Result<Reply, Fault> {
        let Exchange { payload, sent, max, deadline } = *exchange;
        let mut timed = Timed { connection: &mut connection, deadline };
        let written = timed.write_request(&self.head(payload)).and_then(|()| {
            // From here on, the peer may have the request.
            sent.set();
            timed.write_request(&payload.bytes)
        });
        if written.is_err() {
            // A peer that refuses a request may answer and close before it has read all of it.
            timed.deadline = deadline.min(Instant::now() + EARLY_ANSWER_TIMEOUT);
        }
        let mut reader = ResponseReader::new(timed);
        let head = match (reader.head(), written) {
            (Ok(head), _) => head,
            (Err(_), Err(error)) | (Err(HeadFault::Io(error)), Ok(())) => {
                return Err(Fault::Io(error));
            }
            (Err(HeadFault::NotHttp), Ok(())) => return Err(Fault::NotHttp),
            (Err(HeadFault::TooLarge), Ok(())) => return Err(Fault::HeadTooLarge),
        };
        let (reply, is_reusable) = read_body(&mut reader, head, max, deadline);
        if is_reusable {
            self.release(connection);
        }
        Ok(reply)
    }

    /// The request line and the headers.
    fn head(&self, payload: &Payload) -> Vec<u8> {
        let mut request = Request::new(());
        *request.headers_mut() = self.headers.clone();
        address(&mut request, self.endpoint.uri(), self.connector.target());
        let headers = request.headers_mut();
        if let Some(encoding) = payload.encoding() {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        headers.insert(CONTENT_LENGTH, payload.bytes.len().into());
        let mut head = format!("POST {} HTTP/1.1\r\n", request.uri()).into_bytes();
        for (name, value) in request.headers() {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// The idle connection that was used last, if one is open and not idle for too long.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|(connection, _)| {
            connection.is_of_this_process()
                && connection.idle_since.elapsed() <= self.settings.timeout()
        });
        let mut newest_first = std::iter::from_fn(|| idle.pop());
        newest_first.find_map(|(mut connection, _)| connection.is_open().then_some(connection))
    }

    fn release(&self, mut connection: Connection) {
        let mut idle = self.lock();
        if idle.len() >= self.settings.max_per_host() {
            return;
        }
        let Some(count) = self.settings.try_count() else { return };
        connection.idle_since = Instant::now();
        idle.push((connection, count));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Connection, IdleCount)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt: its bytes, whether the peer may have them, the maximum size of the response, and its end.
struct Exchange<'a> {
    payload: &'a Payload,
    sent: &'a Sent,
    max: usize,
    deadline: Instant,
}

/// The reason why there is no response.
enum Fault {
    Connect(ConnectFault),
    Io(io::Error),
    NotHttp,
    HeadTooLarge,
}

fn unanswered(sent: &Sent) -> Cause {
    if sent.is_set() { Cause::Ambiguous } else { Cause::NotSent }
}

/// Reads the body of a response, and whether the connection can serve another request. That of a failure is
/// read for its message alone, and for [`FAILURE_BODY_TIMEOUT`] at most.
fn read_body(
    reader: &mut ResponseReader<Timed<'_>>,
    head: Head,
    max: usize,
    deadline: Instant,
) -> (Reply, bool) {
    let is_success = head.status.is_success();
    let limit = if is_success { max } else { MAX_FAILURE_BODY_BYTES };
    let until = match is_success {
        true => deadline,
        false => deadline.min(Instant::now() + FAILURE_BODY_TIMEOUT),
    };
    reader.stream_mut().deadline = until;
    let (body, is_reusable) = reader.body(&head, limit);
    let whole = body.fault.is_none();
    let body = if is_success { body.into_result() } else { Ok(body.bytes.into()) };
    let (status, headers, trailers) = (head.status, head.headers, HeaderMap::new());
    (Reply { status, headers, body, whole, trailers, max }, is_reusable)
}

/// Time limit for the body of a failed response.
const FAILURE_BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Time limit for the answer to a request that could not be written.
const EARLY_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
