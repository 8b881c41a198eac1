//! The end of the builder: a transport on tokio.

use crate::backend::Backend;
use crate::builder::MAX_ENDPOINTS;
use crate::http1::HttpBackend;
use crate::{BuildError, Endpoint, HttpVersion, Protocol, Transport, TransportBuilder, range};

impl TransportBuilder {
    /// Validates the settings and builds the transport. Reads the files that settings
    /// name, opens no socket and needs no runtime.
    ///
    /// # Errors
    /// When a setting needs a feature that is not compiled in, a number is out of its range, a header
    /// cannot be sent over the protocol, or a certificate, a key or the `User-Agent` prefix cannot be
    /// used.
    pub fn build(self) -> Result<Transport, BuildError> {
        let endpoint = self.first_endpoint();
        self.check_numbers()?;
        self.compression.check(self.crate_name)?;
        let number = usize::from(!self.is_without_endpoint) + self.further_endpoints.len();
        range::number("with_endpoints (their number)", number, 1..=MAX_ENDPOINTS)?;
        let backend = match &*self.further_endpoints {
            [] => self.backend(endpoint.clone())?,
            further => {
                let further = further.iter().map(|it| it.clone().of_signal(self.signal));
                let endpoints = std::iter::once(endpoint.clone()).chain(further);
                let backend = |it: Endpoint| Ok((it.authority().to_owned(), self.backend(it)?));
                Backend::Several(endpoints.map(backend).collect::<Result<_, BuildError>>()?)
            }
        };
        Ok(Transport::new(&self, endpoint, backend))
    }

    fn backend(&self, endpoint: Endpoint) -> Result<Backend, BuildError> {
        if let Some(sink) = &self.sink {
            return Ok(Backend::Sink(sink.clone()));
        }
        self.check_tls(&endpoint, cfg!(feature = "tls"))?;
        match self.protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                if self.connection.http_version != HttpVersion::Http1
                    && cfg!(not(feature = "http2"))
                {
                    return Err(BuildError::NoHttp2 { crate_name: self.crate_name });
                }
                Ok(Backend::Http(Box::new(self.http_backend(endpoint)?)))
            }
            #[cfg(feature = "grpc")]
            Protocol::Grpc => {
                let headers = self.headers.for_protocol(Protocol::Grpc)?;
                let (user_agent, settings) = (self.user_agent()?, &self.connection);
                let backend =
                    crate::grpc::GrpcBackend::new(endpoint, headers, user_agent, settings)?;
                let backend = backend.with_signal(self.signal).with_channels(self.channels);
                Ok(Backend::Grpc(Box::new(backend)))
            }
            #[cfg(not(feature = "grpc"))]
            Protocol::Grpc => Err(BuildError::NoGrpc { crate_name: self.crate_name }),
        }
    }

    pub(crate) fn http_backend(&self, endpoint: Endpoint) -> Result<HttpBackend, BuildError> {
        let headers = self.headers.for_protocol(self.protocol)?;
        let (user_agent, connection) = (self.user_agent()?, &self.connection);
        let backend = HttpBackend::new(self.protocol, endpoint, headers, user_agent, connection)?;
        Ok(backend.with_idle_connections(self.idle.clone()))
    }
}
