//! The builder's setting of a proxy.

#[cfg(feature = "proxy")]
use crate::Proxy;
use crate::TransportBuilder;

impl TransportBuilder {
    /// Connects through a proxy: by a tunnel (`CONNECT`) to an `https` endpoint and for gRPC; else it
    /// forwards the requests, and reads them. A Unix socket is connected to without it. Default none: this
    /// crate reads no variables, [`Proxy::from_variables`] does.
    #[cfg(feature = "proxy")]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.connection.proxy = Some(proxy);
        self
    }

    /// The credentials of the proxy, which no message may show.
    pub(crate) fn proxy_secrets(&self) -> Vec<String> {
        #[cfg(feature = "proxy")]
        return self.connection.proxy.iter().flat_map(Proxy::secrets).map(str::to_owned).collect();
        #[cfg(not(feature = "proxy"))]
        Vec::new()
    }
}
