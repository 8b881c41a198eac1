//! The proxy of the OTLP exporter: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::settings::{ALL_PROXY, HTTP_PROXY, HTTPS_PROXY, Support};
#[cfg(not(feature = "proxy"))]
use spanwise_transport::__private::MissingFeature;
use spanwise_transport::__private::{all_proxy_variable, proxy_variable};
#[cfg(feature = "proxy")]
use spanwise_transport::Proxy;
use spanwise_transport::{Endpoint, TransportBuilder};
use spanwise_worker::redact_url;

impl SpanwiseBuilder {
    /// Connects through an HTTP proxy, `http://[user:password@]host:port` (`HTTPS_PROXY` for an `https`
    /// endpoint, `HTTP_PROXY` for `http`, unless `NO_PROXY` excludes the endpoint; each also in lower
    /// case). Needs the feature `proxy`, without which `build` reports the variable that would apply, and requests go
    /// to the endpoint itself. `ALL_PROXY` has no effect, which is reported, too.
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
    pub(super) fn resolve_proxy(
        &self,
        environment: &Environment,
        endpoint: Option<&Endpoint>,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        let is_https = endpoint.is_some_and(Endpoint::is_https);
        let setting = if is_https { &HTTPS_PROXY } else { &HTTP_PROXY };
        if let Some(url) = &self.proxy {
            environment.effective(setting, || redact_url(url));
            return self.proxy_in_code(url, transport);
        }
        // The default endpoint is on this machine.
        let Some(endpoint) = endpoint else { return Ok(transport) };
        let lookup = |name: &'static str| environment.optional_text(name);
        if cfg!(feature = "proxy")
            && let Some((name, url)) = proxy_variable(lookup, endpoint)
        {
            environment.recorder().used(setting, name);
            environment.effective(setting, || redact_url(&url));
        }
        if let Some(name) = all_proxy_variable(lookup, endpoint)
            && let Support::WithoutEffect(reason) = ALL_PROXY.support
        {
            environment.unused(name, reason);
        }
        self.proxy_of_variables(environment, endpoint, transport)
    }

    #[cfg(feature = "proxy")]
    fn proxy_in_code(
        &self,
        url: &str,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        Ok(transport.with_proxy(Proxy::parse("with_proxy", url)?))
    }

    #[cfg(not(feature = "proxy"))]
    fn proxy_in_code(
        &self,
        url: &str,
        _: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        Err(BuildError::no_feature("with_proxy", url, self.missing_proxy()))
    }

    #[cfg(feature = "proxy")]
    #[expect(clippy::unused_self, reason = "the same signature without the feature")]
    fn proxy_of_variables(
        &self,
        environment: &Environment,
        endpoint: &Endpoint,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        let lookup = |name: &'static str| environment.optional_text(name);
        Ok(match Proxy::from_variables(lookup, endpoint)? {
            Some(proxy) => transport.with_proxy(proxy),
            None => transport,
        })
    }

    /// An error would stop a service that reached its collector before the variable was set for others.
    #[cfg(not(feature = "proxy"))]
    #[expect(clippy::unnecessary_wraps, reason = "the same signature with the feature")]
    fn proxy_of_variables(
        &self,
        environment: &Environment,
        endpoint: &Endpoint,
        transport: TransportBuilder,
    ) -> Result<TransportBuilder, BuildError> {
        let lookup = |name: &'static str| environment.optional_text(name);
        if let Some((name, _)) = proxy_variable(lookup, endpoint) {
            let missing = self.missing_proxy();
            environment.unused(name, format!("it {missing}; requests go to the endpoint itself"));
        }
        Ok(transport)
    }

    #[cfg(not(feature = "proxy"))]
    fn missing_proxy(&self) -> MissingFeature {
        MissingFeature {
            feature: "proxy",
            crate_name: self.recording_sdk.crate_name(),
            instead: "send to a collector that is reached without one",
        }
    }
}
