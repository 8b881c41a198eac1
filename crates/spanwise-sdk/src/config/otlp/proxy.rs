//! The proxy of the OTLP exporter: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use spanwise_transport::{Endpoint, TransportBuilder};

impl SpanwiseBuilder {
    /// Connects through an HTTP proxy, `http://[user:password@]host:port` (`HTTPS_PROXY` for an `https`
    /// endpoint, `HTTP_PROXY` for `http`, unless `NO_PROXY` excludes the endpoint; each also in lower
    /// case). Needs the feature `proxy`, without which the variables have no effect.
    ///
    /// A proxy tunnels (`CONNECT`) connections to `https` endpoints and all of gRPC; it forwards, and
    /// reads, OTLP/HTTP requests to `http` endpoints. The credentials are never printed. The variables do
    /// not apply to `localhost` and to addresses of the loopback; a CGI program ignores `HTTP_PROXY`.
    pub fn with_proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Passes the proxy in code, or that of the variables for `endpoint`, to `transport`.
    ///
    /// # Errors
    /// The URL of the proxy is invalid, or the feature is missing.
    #[cfg(feature = "proxy")]
    pub(super) fn resolve_proxy(
        &self,
        environment: &Environment,
        endpoint: Option<&Endpoint>,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        use spanwise_transport::Proxy;
        if let Some(url) = &self.proxy {
            return Ok(transport.with_proxy(Proxy::parse("with_proxy", url)?));
        }
        // The default endpoint is on this machine.
        let Some(endpoint) = endpoint else { return Ok(transport) };
        let lookup = |name: &'static str| environment.optional_text(name);
        Ok(match Proxy::from_variables(lookup, endpoint)? {
            Some(proxy) => transport.with_proxy(proxy),
            None => transport,
        })
    }

    #[cfg(not(feature = "proxy"))]
    pub(super) fn resolve_proxy(
        &self,
        _: &Environment,
        _: Option<&Endpoint>,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        use spanwise_transport::__private::MissingFeature;
        let Some(url) = &self.proxy else { return Ok(transport) };
        let missing = MissingFeature {
            feature: "proxy",
            crate_name: self.recorder.crate_name(),
            instead: "send to a collector that is reached without one",
        };
        Err(BuildError::no_feature("with_proxy", url, missing))
    }
}
