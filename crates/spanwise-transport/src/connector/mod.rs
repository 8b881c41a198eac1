//! Connections to an endpoint: a socket, and TLS over it where the endpoint is `https`.

mod error;
#[cfg(feature = "grpc")]
mod service;
#[cfg(feature = "tls")]
mod session;
mod stream;

#[cfg(feature = "tls")]
use std::sync::Arc;

use crate::explain::ConnectionContext;
use crate::target::Target;
use crate::tcp::{self, ConnectProblem, PeerObservations, SigpipeFreeStream, Socket};
#[cfg(feature = "tls")]
use crate::tls::TlsClient;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint};

pub(crate) use error::ConnectError;
#[cfg(feature = "tls")]
use session::TlsSession;
pub(crate) use stream::Stream;

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
        Ok(Self {
            target: Target::of(endpoint, settings, endpoint.is_https() || alpn.is_some()),
            observations: context.observations.clone(),
            #[cfg(feature = "tls")]
            tls: match endpoint.is_https() {
                true => {
                    let outdated = context.outdated.clone();
                    Some(Arc::new(TlsClient::new(endpoint, &settings.tls, alpn, outdated)?))
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
            self.observations.tls_session();
            let session = TlsSession::new(stream, &self.observations);
            return Ok(Stream::Tls(Box::new(session)));
        }
        Ok(Stream::Plain(stream))
    }

    /// Where connections go.
    pub(crate) fn target(&self) -> &Target {
        &self.target
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
                    let opened = crate::tunnel::open(&mut stream, proxy, host, *port).await;
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
