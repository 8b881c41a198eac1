//! The destination of connections.

#[cfg(feature = "proxy")]
use std::sync::Arc;

#[cfg(feature = "proxy")]
use crate::proxy::Proxy;
use crate::tls_settings::ConnectionSettings;
use crate::{Endpoint, tcp};

/// The destination of connections.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A host, a name or an address without brackets, and a port.
    Tcp(String, u16),
    /// The same through a proxy, which tunnels bytes or forwards requests.
    #[cfg(feature = "proxy")]
    Proxy { proxy: Arc<Proxy>, host: String, port: u16, tunnels: bool },
    /// The path of a Unix socket.
    Unix(String),
}

impl Target {
    /// The target of `endpoint`, through the proxy of `settings` if there is one and the endpoint is a host.
    /// `tunnels`: the proxy cannot forward requests, because they are sent over TLS or HTTP/2.
    pub(crate) fn of(endpoint: &Endpoint, settings: &ConnectionSettings, tunnels: bool) -> Self {
        if let Some(path) = endpoint.unix_path() {
            return Self::Unix(path.to_owned());
        }
        let (host, port) = tcp::host_and_port(endpoint.uri());
        let host = host.to_owned();
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &settings.proxy {
            return Self::Proxy { proxy: Arc::new(proxy.clone()), host, port, tunnels };
        }
        let _ = (settings, tunnels);
        Self::Tcp(host, port)
    }

    /// The proxy of connections, without its credentials.
    #[cfg(feature = "tokio")]
    #[cfg_attr(not(feature = "proxy"), expect(clippy::unused_self, reason = "no proxies"))]
    pub(crate) fn proxy(&self) -> Option<String> {
        #[cfg(feature = "proxy")]
        if let Self::Proxy { proxy, .. } = self {
            return Some(proxy.to_string());
        }
        None
    }

    /// The proxy that forwards requests, which are addressed to it in absolute form.
    #[cfg(feature = "proxy")]
    pub(crate) fn forwarding_proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Proxy { proxy, tunnels: false, .. } => Some(proxy),
            _ => None,
        }
    }
}
