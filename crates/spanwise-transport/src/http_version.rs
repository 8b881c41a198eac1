//! The version of HTTP that carries OTLP/HTTP.

/// The version of HTTP that carries OTLP/HTTP requests. gRPC is always HTTP/2.
///
/// ```
/// use spanwise_transport::{HttpVersion, TransportBuilder};
///
/// let _builder = TransportBuilder::default().with_http_version(HttpVersion::Http2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1: as many connections as requests are in flight. Every receiver has it.
    #[default]
    Http1,
    /// HTTP/2: all requests share one connection. To an `http` endpoint with prior knowledge (h2c; RFC 9113,
    /// 3.3), to an `https` one by ALPN; there is no fallback to HTTP/1.1. A proxy tunnels it. Needs the
    /// feature `http2`.
    ///
    /// It pays where connections are scarce, behind a proxy or a load balancer that counts them; HTTP/1.1
    /// costs less CPU.
    Http2,
}
