//! Endpoints of a signal: their paths.

use crate::{Endpoint, EndpointError, Protocol, Signal};

impl Endpoint {
    /// As [`parse_base`](Self::parse_base), for requests of `signal`, whose [path](Signal::path) is appended.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_base_of(signal: Signal, setting: &str, url: &str) -> Result<Self, EndpointError> {
        let base = Self::parse(setting, url)?;
        if base.unix_path().is_some() {
            return Ok(base.of_signal(signal));
        }
        base.join_path(signal.path()).map_err(|problem| EndpointError::new(setting, url, problem))
    }

    /// As [`localhost`](Self::localhost), for requests of `signal`.
    pub fn localhost_of(signal: Signal, protocol: Protocol) -> Self {
        Self::from_static(match (protocol, signal) {
            (Protocol::Grpc, _) => "http://localhost:4317/",
            (_, Signal::Traces) => "http://localhost:4318/v1/traces",
            (_, Signal::Metrics) => "http://localhost:4318/v1/metrics",
        })
    }

    /// The same endpoint for requests of `signal`: the URL of a Unix socket has no path of its own.
    pub(crate) fn of_signal(self, signal: Signal) -> Self {
        if self.unix_path().is_none() {
            return self;
        }
        self.clone().with_path(signal.path()).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_the_path_of_its_signal() {
        let of = |url| Endpoint::parse_base_of(Signal::Metrics, "S", url).unwrap();
        assert_eq!(of("http://c:4318/otlp/").uri(), "http://c:4318/otlp/v1/metrics");
        let localhost = |protocol| Endpoint::localhost_of(Signal::Metrics, protocol).to_string();
        assert_eq!(localhost(Protocol::HttpProtobuf), "http://localhost:4318/v1/metrics");
        assert_eq!(localhost(Protocol::Grpc), "http://localhost:4317/");
        let error = Endpoint::parse_base_of(Signal::Metrics, "S", "c").unwrap_err();
        assert!(error.to_string().starts_with("S=`c`"), "{error}");
        #[cfg(unix)]
        {
            assert_eq!(of("unix:/run/c").path(), "/v1/metrics");
            let given = Endpoint::parse("S", "unix:/run/c").unwrap();
            assert_eq!(given.clone().path(), "/v1/traces");
            assert_eq!(given.of_signal(Signal::Metrics).path(), "/v1/metrics");
        }
    }
}
