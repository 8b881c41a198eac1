//! Connections of the blocking transport: a socket, a tunnel through a proxy, and TLS over it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::connection::{Connection, Stream};
use super::socket::{Socket, TimedSocket};
use crate::block_on::block_on_until;
use crate::explain::ConnectionContext;
use crate::target::Target;
use crate::tcp::{self, CONNECT_TIMEOUT, ConnectProblem, PeerObservations};
#[cfg(feature = "blocking-tls")]
use crate::tls::TlsClient;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint};

/// Connects to one endpoint.
pub(super) struct Connector {
    target: Target,
    observations: PeerObservations,
    /// `None` for plain text.
    #[cfg(feature = "blocking-tls")]
    tls: Option<TlsClient>,
}

/// The stage at which connecting failed.
pub(super) enum ConnectFault {
    Socket(ConnectProblem),
    #[cfg_attr(not(feature = "blocking-tls"), expect(dead_code, reason = "plain text only"))]
    Tls(io::Error),
    TimedOut,
}

impl From<ConnectProblem> for ConnectFault {
    fn from(problem: ConnectProblem) -> Self {
        Self::Socket(problem)
    }
}

impl Connector {
    /// # Errors
    /// A certificate, a key or the name of the host cannot be used for an `https` endpoint.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(clippy::unnecessary_wraps, reason = "TLS can fail")
    )]
    pub(super) fn new(
        endpoint: &Endpoint,
        settings: &ConnectionSettings,
        context: &ConnectionContext,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            target: Target::of(endpoint, settings, endpoint.is_https()),
            observations: context.observations.clone(),
            #[cfg(feature = "blocking-tls")]
            tls: match endpoint.is_https() {
                true => {
                    let outdated = context.outdated.clone();
                    Some(TlsClient::new(endpoint, &settings.tls, None, outdated)?)
                }
                false => None,
            },
        })
    }

    /// Where connections go.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Makes a connection, until `deadline` at most.
    pub(super) fn connect(&self, deadline: Instant) -> Result<Connection, ConnectFault> {
        let socket = self.socket(deadline)?;
        let sniffer = self.observations.connected();
        #[cfg(feature = "blocking-tls")]
        if let Some(tls) = &self.tls {
            let stream = secure(socket, tls, deadline).map_err(ConnectFault::Tls)?;
            return Ok(Connection::new(Stream::Tls(Box::new(stream)), sniffer));
        }
        Ok(Connection::new(Stream::Plain(TimedSocket::new(socket, deadline)), sniffer))
    }

    fn socket(&self, deadline: Instant) -> Result<Socket, ConnectFault> {
        match &self.target {
            Target::Tcp(host, port) => Self::tcp(host, *port, deadline).map(Socket::Tcp),
            #[cfg(feature = "proxy")]
            Target::Proxy { proxy, host, port, tunnels } => {
                let failed = |problem: String| {
                    let proxy = proxy.to_string();
                    ConnectFault::Socket(ConnectProblem::Proxy { proxy, problem })
                };
                let connected = Self::tcp(&proxy.host, proxy.port, deadline);
                let mut socket = connected.map_err(|fault| match fault {
                    ConnectFault::Socket(problem) => failed(problem.to_string()),
                    other => other,
                })?;
                if *tunnels {
                    let mut timed = UntilDeadline { socket: &mut socket, deadline };
                    let opened = crate::tunnel::open_blocking(&mut timed, proxy, host, *port);
                    opened.map_err(|error| match error.is_timeout() {
                        true => ConnectFault::TimedOut,
                        false => failed(error.problem()),
                    })?;
                }
                Ok(Socket::Tcp(socket))
            }
            #[cfg(unix)]
            Target::Unix(path) => unix(path, deadline).map(Socket::Unix),
            // No such endpoint can be parsed.
            #[cfg(not(unix))]
            Target::Unix(_) => Err(ConnectProblem::NoSocket.into()),
        }
    }

    fn tcp(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, ConnectFault> {
        let addresses = block_on_until(tcp::resolve(host, port), deadline);
        let addresses = addresses.ok_or(ConnectFault::TimedOut)??;
        let socket = first_of(&addresses, deadline)?;
        // A connection without this option works, but is slower.
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }
}

/// Connects to the first of `addresses` that accepts; they share [`CONNECT_TIMEOUT`]. If none does, returns
/// the problem of the first address.
fn first_of(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectFault> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut first_problem = None;
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ConnectFault::TimedOut);
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

/// Connects to the Unix socket at `path`. std's `connect` would wait without a limit for a listener whose
/// backlog is full.
#[cfg(unix)]
fn unix(path: &str, deadline: Instant) -> Result<std::os::unix::net::UnixStream, ConnectFault> {
    use socket2::{Domain, SockAddr, Type};
    let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
    if left.is_zero() {
        return Err(ConnectFault::TimedOut);
    }
    let connect = || {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_write_timeout(Some(left))?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(std::os::fd::OwnedFd::from(socket).into())
    };
    connect().map_err(|error: io::Error| match error.kind() {
        ErrorKind::NotFound => ConnectProblem::NoSocket.into(),
        ErrorKind::WouldBlock => ConnectProblem::TimedOut.into(),
        _ => ConnectProblem::of(&error).into(),
    })
}

/// Establishes a TLS session.
#[cfg(feature = "blocking-tls")]
fn secure(
    socket: Socket,
    tls: &TlsClient,
    deadline: Instant,
) -> io::Result<rustls::StreamOwned<rustls::ClientConnection, TimedSocket>> {
    let mut session = tls.session().map_err(io::Error::other)?;
    let mut socket = TimedSocket::new(socket, deadline);
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(rustls::StreamOwned::new(session, socket))
}

/// A socket whose reads and writes end at a deadline.
#[cfg(feature = "proxy")]
struct UntilDeadline<'a> {
    socket: &'a mut TcpStream,
    deadline: Instant,
}

#[cfg(feature = "proxy")]
impl UntilDeadline<'_> {
    fn left(&self) -> io::Result<std::time::Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would be none.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

#[cfg(feature = "proxy")]
impl io::Read for UntilDeadline<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buf)
    }
}

#[cfg(feature = "proxy")]
impl io::Write for UntilDeadline<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
