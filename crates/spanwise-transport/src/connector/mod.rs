//! Connections to an endpoint: a socket, and TLS over it where the endpoint is `https`.

mod error;
#[cfg(feature = "grpc")]
mod service;
#[cfg(feature = "tls")]
mod session;
mod stream;
#[cfg(feature = "proxy")]
mod tunnel;

#[cfg(any(feature = "tls", feature = "proxy"))]
use std::sync::Arc;

use crate::explain::ConnectionContext;
#[cfg(feature = "proxy")]
use crate::proxy::Proxy;
use crate::tcp::{self, ConnectProblem, PeerObservations, SigpipeFreeStream, Socket};
#[cfg(feature = "tls")]
use crate::tls::TlsClient;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint};

pub(crate) use error::ConnectError;
#[cfg(feature = "tls")]
use session::TlsSession;
pub(crate) use stream::Stream;

/// The destination of connections.
#[derive(Debug, Clone)]
enum Target {
    /// A host, a name or an address without brackets, and a port.
    Tcp(String, u16),
    /// The same through a proxy, which tunnels bytes or forwards requests.
    #[cfg(feature = "proxy")]
    Proxy { proxy: Arc<Proxy>, host: String, port: u16, tunnels: bool },
    /// The path of a Unix socket.
    Unix(String),
}

impl Target {
    /// `port` of `host`, through the proxy of `settings` if there is one. A proxy tunnels TLS and gRPC.
    fn of(host: &str, port: u16, settings: &ConnectionSettings, tunnels: bool) -> Self {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &settings.proxy {
            return Self::Proxy {
                proxy: Arc::new(proxy.clone()),
                host: host.to_owned(),
                port,
                tunnels,
            };
        }
        let _ = (settings, tunnels);
        Self::Tcp(host.to_owned(), port)
    }
}

/// Connects to one endpoint. Clones share its TLS sessions.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    target: Target,
    observations: PeerObservations,
    /// `None` for plain text.
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsClient>>,
}

impl Connector {
    /// A connector to `endpoint` that reports what it observes to `context`. Over TLS it offers the
    /// protocol `alpn` and insists on it.
    ///
    /// # Errors
    /// A certificate, a key or the name of the host cannot be used for an `https` endpoint.
    #[cfg_attr(not(feature = "tls"), expect(clippy::unnecessary_wraps, reason = "TLS can fail"))]
    pub(crate) fn new(
        endpoint: &Endpoint,
        settings: &ConnectionSettings,
        alpn: Option<&'static [u8]>,
        context: &ConnectionContext,
    ) -> Result<Self, BuildError> {
        let (host, port) = tcp::host_and_port(endpoint.uri());
        #[cfg(not(feature = "tls"))]
        let _ = (settings, alpn);
        Ok(Self {
            target: match endpoint.unix_path() {
                Some(path) => Target::Unix(path.to_owned()),
                None => Target::of(host, port, settings, endpoint.is_https() || alpn.is_some()),
            },
            observations: context.observations.clone(),
            #[cfg(feature = "tls")]
            tls: match endpoint.is_https() {
                true => {
                    let outdated = context.outdated.clone();
                    Some(Arc::new(TlsClient::new(host, &settings.tls, alpn, outdated)?))
                }
                false => None,
            },
        })
    }

    /// Makes a connection.
    pub(crate) async fn connect(&self) -> Result<Stream, ConnectError> {
        let socket = self.socket().await.map_err(ConnectError::Socket)?;
        let stream = SigpipeFreeStream::new(socket, &self.observations);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let stream = tls.connect(stream).await.map_err(ConnectError::Tls)?;
            let session = TlsSession::new(stream, &self.observations);
            return Ok(Stream::Tls(Box::new(session)));
        }
        Ok(Stream::Plain(stream))
    }

    /// The proxy that forwards requests, which are addressed to it in absolute form.
    #[cfg(feature = "proxy")]
    pub(crate) fn forwarding_proxy(&self) -> Option<&Proxy> {
        match &self.target {
            Target::Proxy { proxy, tunnels: false, .. } => Some(proxy),
            _ => None,
        }
    }

    async fn socket(&self) -> Result<Socket, ConnectProblem> {
        match &self.target {
            Target::Tcp(host, port) => tcp::connect(host, *port).await.map(Socket::Tcp),
            #[cfg(feature = "proxy")]
            Target::Proxy { proxy, host, port, tunnels } => {
                let failed = |problem: String| {
                    let proxy = proxy.to_string();
                    ConnectProblem::Proxy { proxy, problem }
                };
                let connected = tcp::connect(&proxy.host, proxy.port).await;
                let mut stream = connected.map_err(|problem| failed(problem.to_string()))?;
                if *tunnels {
                    let opened = tunnel::open(&mut stream, proxy, host, *port).await;
                    opened.map_err(|error| failed(error.problem()))?;
                }
                Ok(Socket::Tcp(stream))
            }
            #[cfg(unix)]
            Target::Unix(path) => tcp::connect_unix(path).await.map(Socket::Unix),
            // No such endpoint can be parsed.
            #[cfg(not(unix))]
            Target::Unix(_) => Err(ConnectProblem::NoSocket),
        }
    }
}
