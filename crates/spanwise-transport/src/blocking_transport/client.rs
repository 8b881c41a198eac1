//! An HTTP/1.1 client of one endpoint that blocks its caller.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};

use super::connection::{Connection, Stream, Timed, is_timeout};
use super::resolver::Resolver;
use super::response::{Head, HeadFault, ResponseReader};
use crate::body::Sent;
use crate::classify::{self, AttemptOutcome, MAX_FAILURE_BODY_BYTES, Reply};
use crate::explain::ConnectionContext;
use crate::http1::address;
use crate::payload::Payload;
use crate::retry::Cause;
use crate::tcp::{self, CONNECT_TIMEOUT, ConnectProblem};
#[cfg(feature = "tls")]
use crate::tls::TlsClient;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint, Failure, IdleConnections, Protocol};

/// A client with its idle connections, and the headers of its requests.
pub(super) struct Client {
    endpoint: Endpoint,
    headers: HeaderMap,
    context: ConnectionContext,
    host: String,
    port: u16,
    resolver: Resolver,
    settings: IdleConnections,
    /// The newest last.
    idle: Mutex<Vec<Connection>>,
    /// `None` for plain text.
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

impl Client {
    pub(super) fn new(
        endpoint: Endpoint,
        mut headers: HeaderMap,
        user_agent: HeaderValue,
        settings: IdleConnections,
        connection: &ConnectionSettings,
    ) -> Result<Self, BuildError> {
        headers.entry(USER_AGENT).or_insert(user_agent);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let context = ConnectionContext::new(Protocol::HttpProtobuf, &endpoint);
        let (host, port) = tcp::host_and_port(endpoint.uri());
        #[cfg(feature = "tls")]
        let tls = match endpoint.is_https() {
            true => {
                let outdated = context.outdated.clone();
                Some(TlsClient::new(host, &connection.tls, None, outdated)?)
            }
            false => None,
        };
        let _ = connection;
        Ok(Self {
            host: host.to_owned(),
            port,
            endpoint,
            headers,
            context,
            resolver: Resolver::default(),
            settings,
            idle: Mutex::new(Vec::new()),
            #[cfg(feature = "tls")]
            tls,
        })
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
        match self.exchange(payload, sent, max, deadline) {
            Ok(reply) => classify::http(&reply, Protocol::HttpProtobuf, SystemTime::now()),
            Err(Fault::Connect(problem)) => self.broken(&problem, Cause::NotSent),
            Err(Fault::Tls(error)) if !is_timeout(&error) => self.broken(&error, Cause::Tls),
            Err(Fault::Io(error)) if !is_timeout(&error) => self.broken(&error, unanswered(sent)),
            Err(Fault::TimedOut | Fault::Tls(_) | Fault::Io(_)) => {
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

    fn exchange(
        &self,
        payload: &Payload,
        sent: &Sent,
        max: usize,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.connect(deadline)?,
        };
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
        address(&mut request, self.endpoint.uri());
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

    fn connect(&self, deadline: Instant) -> Result<Connection, Fault> {
        let left = deadline.saturating_duration_since(Instant::now());
        let addresses = match self.resolver.resolve(&self.host, self.port, left) {
            Ok(addresses) => addresses,
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(Fault::TimedOut),
            Err(error) => return Err(ConnectProblem::Name(tcp::os_message(&error)).into()),
        };
        let socket = first_of(&addresses, deadline)?;
        // A connection without this option works, but is slower.
        let _ = socket.set_nodelay(true);
        let sniffer = self.context.observations.connected();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let stream = secure(socket, tls, deadline).map_err(Fault::Tls)?;
            return Ok(Connection::new(Stream::Tls(Box::new(stream)), sniffer));
        }
        Ok(Connection::new(Stream::Plain(socket), sniffer))
    }

    /// The idle connection that was used last, if one is open and not idle for too long.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|connection| {
            connection.is_of_this_process()
                && connection.idle_since.elapsed() <= self.settings.timeout()
        });
        std::iter::from_fn(|| idle.pop()).find_map(|mut it| it.is_open().then_some(it))
    }

    fn release(&self, mut connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < self.settings.max_per_host() {
            connection.idle_since = Instant::now();
            idle.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Establishes a TLS session.
#[cfg(feature = "tls")]
fn secure(
    mut socket: TcpStream,
    tls: &TlsClient,
    deadline: Instant,
) -> io::Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let mut session = tls.session().map_err(io::Error::other)?;
    while session.is_handshaking() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))?;
        session.complete_io(&mut socket)?;
    }
    Ok(rustls::StreamOwned::new(session, socket))
}

/// The reason why there is no response.
enum Fault {
    Connect(ConnectProblem),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "plain text only"))]
    Tls(io::Error),
    Io(io::Error),
    TimedOut,
    NotHttp,
    HeadTooLarge,
}

impl From<ConnectProblem> for Fault {
    fn from(problem: ConnectProblem) -> Self {
        Self::Connect(problem)
    }
}

fn unanswered(sent: &Sent) -> Cause {
    if sent.is_set() { Cause::Ambiguous } else { Cause::NotSent }
}

/// Connects to the first of `addresses` that accepts; they share [`CONNECT_TIMEOUT`]. If none does, returns
/// the problem of the first address.
fn first_of(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Fault> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut first_problem = None;
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::TimedOut);
        }
        match TcpStream::connect_timeout(address, share.min(left)) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                first_problem.get_or_insert_with(|| ConnectProblem::of(&error));
            }
        }
    }
    let no_address = || ConnectProblem::Name("it has no address".to_owned());
    Err(first_problem.unwrap_or_else(no_address).into())
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
