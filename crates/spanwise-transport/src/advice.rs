//! Advice against common misconfigurations.

use crate::{Endpoint, Protocol, ResponseStatus, Signal, text};

/// A common misconfiguration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// No process listens at the address.
    NotListening,
    /// The host name does not resolve.
    Name,
    /// HTTP/1.1 was sent to an HTTP/2 port.
    SpeakGrpc,
    /// HTTP/2 was sent to an HTTP/1.1 port.
    SpeakHttp,
    /// OTLP/HTTP over HTTP/2 was sent to an HTTP/1.1 port.
    SpeakHttp1,
    /// Plain text was sent to a TLS port.
    SpeakTls,
    /// TLS was sent to a plain-text port.
    SpeakPlain,
    /// The peer closed before it sent a byte; any of the four mistakes above can cause this.
    Mismatch,
    /// The server has no resource at the path.
    Path,
    /// The credentials are missing or wrong.
    Credentials,
    /// The certificate's issuer is not trusted.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(dead_code, reason = "only TLS has certificates")
    )]
    Certificate,
    /// The server presents a CA certificate as its own.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(dead_code, reason = "only TLS has certificates")
    )]
    CertificateOfCa,
    /// The certificate is for another host.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(dead_code, reason = "only TLS has certificates")
    )]
    CertificateName,
    /// The certificate has expired, or is not valid yet.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(dead_code, reason = "only TLS has certificates")
    )]
    CertificateTime,
    /// The server does not accept the client's certificate, or asks for one.
    #[cfg_attr(
        not(feature = "blocking-tls"),
        expect(dead_code, reason = "only TLS has certificates")
    )]
    ClientCertificate,
    /// The proxy is not reached, or makes no tunnel.
    #[cfg(feature = "proxy")]
    Proxy,
    /// The receiver has another URL.
    Redirect,
    /// The receiver does not accept traces.
    NoService,
    /// The receiver refuses the compression.
    Compression,
    /// The receiver does not accept JSON.
    SendProtobuf,
}

/// The names in advice that depend on the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdviceNames {
    /// The crate whose features the user chooses.
    pub(crate) crate_name: &'static str,
    /// The signal of the requests.
    pub(crate) signal: Signal,
    /// A configuration file has the settings: the variables have no effect.
    pub(crate) in_file: bool,
}

impl AdviceNames {
    /// The way to a setting: the keys of the exporter in the file, or the method and the variable.
    fn by(self, code_and_variable: &str, keys: &str) -> String {
        match self.in_file {
            true => format!("by `{keys}` of the exporter in the configuration file"),
            false => format!("by {code_and_variable}"),
        }
    }

    /// The way to the protocol.
    fn by_exporter(self, variable: &str, exporter: &str) -> String {
        match self.in_file {
            true => format!("by the exporter {exporter} in the configuration file"),
            false => format!("by with_protocol or {variable}"),
        }
    }
}

impl Advice {
    /// The advice for a response status.
    pub(crate) fn of_status(status: ResponseStatus, protocol: Protocol) -> Option<Self> {
        match (status, protocol) {
            (ResponseStatus::Http(300..=399), _) => Some(Self::Redirect),
            (ResponseStatus::Http(401 | 403), _) | (ResponseStatus::Grpc(7 | 16), _) => {
                Some(Self::Credentials)
            }
            (ResponseStatus::Http(404 | 405), Protocol::HttpProtobuf | Protocol::HttpJson) => {
                Some(Self::Path)
            }
            (ResponseStatus::Http(415), Protocol::HttpJson) => Some(Self::SendProtobuf),
            // An HTTP server that supports HTTP/2 too.
            (ResponseStatus::Http(400 | 404 | 405 | 415), Protocol::Grpc) => Some(Self::SpeakHttp),
            (ResponseStatus::Grpc(12), _) => Some(Self::NoService),
            _ => None,
        }
    }

    /// The advice as text, one or two sentences.
    pub(crate) fn text(
        self,
        endpoint: &Endpoint,
        protocol: Protocol,
        names: AdviceNames,
    ) -> String {
        let at = text::sanitize(&endpoint.peer());
        let grpc = feature(cfg!(feature = "grpc"), "grpc", names.crate_name);
        let tls = feature(cfg!(feature = "tls"), "tls", names.crate_name);
        let by = |code_and_variable, keys| names.by(code_and_variable, keys);
        let signal = names.signal;
        match self {
            Self::NotListening if endpoint.unix_path().is_some() => {
                format!("is a collector listening at {at}, and may this process write to it?")
            }
            Self::NotListening => {
                format!("is a collector listening at {at}? {}", usual_port(protocol))
            }
            Self::Name => format!(
                "check the host name in the endpoint, {at}: it must be known where this process \
                 runs"
            ),
            Self::SpeakGrpc => format!(
                "this looks like the OTLP/gRPC port, usually 4317: choose the protocol grpc {}{grpc}, or the \
                 OTLP/HTTP port, usually 4318",
                names.by_exporter("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "otlp_grpc"),
            ),
            Self::SpeakHttp => format!(
                "this looks like the OTLP/HTTP port, usually 4318: choose the protocol http/protobuf {}, or the \
                 OTLP/gRPC port, usually 4317",
                names.by_exporter("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "otlp_http"),
            ),
            Self::SpeakHttp1 => String::from("choose HttpVersion::Http1 by with_http_version"),
            Self::SpeakTls => format!("use https:// instead of http:// in the endpoint{tls}"),
            Self::SpeakPlain => {
                let why = match protocol {
                    Protocol::Grpc => " (for gRPC an endpoint without a scheme means TLS)",
                    Protocol::HttpProtobuf | Protocol::HttpJson => "",
                };
                format!("use http:// instead of https:// in the endpoint{why}, or the TLS port")
            }
            Self::Mismatch => String::from(
                "check port and scheme: OTLP/HTTP is usually on port 4318 and OTLP/gRPC on port \
                 4317, and a TLS port needs https://",
            ),
            Self::Path if names.in_file => format!(
                "the endpoint's path is {}; the configuration file has the whole URL, and OTLP/HTTP receivers usually \
                 take {} at {}, on port 4318",
                text::sanitize(endpoint.path()),
                signal.name(),
                signal.path(),
            ),
            Self::Path if endpoint.path().ends_with(&signal.path().repeat(2)) => format!(
                "the endpoint's path is {}: {} is appended to OTEL_EXPORTER_OTLP_ENDPOINT, so leave it out \
                 there, or set {}, which is used as it is",
                text::sanitize(endpoint.path()),
                signal.path(),
                signal.endpoint_variable(),
            ),
            Self::Path => format!(
                "the endpoint's path is {}; OTLP/HTTP receivers usually take {} at {}, \
                 on port 4318",
                text::sanitize(endpoint.path()),
                signal.name(),
                signal.path(),
            ),
            Self::Credentials if names.in_file => format!(
                "check the credentials, which go into headers, in code or {}",
                by("", "headers")
            ),
            Self::Credentials => String::from(
                "check the credentials, which go into headers, in code or by \
                 OTEL_EXPORTER_OTLP_HEADERS",
            ),
            Self::CertificateOfCa => format!(
                "trust exactly this certificate {}, or issue one for the server from it and trust the CA",
                by(CERTIFICATE, "tls.ca_file"),
            ),
            Self::Certificate => format!(
                "if the certificate is signed by your own CA, trust it {}",
                by(CERTIFICATE, "tls.ca_file"),
            ),
            Self::CertificateName => {
                format!("use a name that the certificate holds in the endpoint, instead of {at}")
            }
            Self::CertificateTime => String::from(
                "renew the certificate of the server, or correct the clock of this machine",
            ),
            Self::ClientCertificate => format!(
                "set a certificate that the server trusts, and its key, {}",
                by(
                    "with_client_certificate_files or OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
                     OTEL_EXPORTER_OTLP_CLIENT_KEY",
                    "tls.cert_file and tls.key_file",
                ),
            ),
            #[cfg(feature = "proxy")]
            Self::Proxy => format!(
                "check the proxy, set by with_proxy or by HTTPS_PROXY and HTTP_PROXY; to bypass one that a variable \
                 sets, add {at} to NO_PROXY"
            ),
            Self::Redirect => String::from(
                "set the endpoint to the URL that it redirects to, often https:// for http://",
            ),
            Self::Compression => format!(
                "choose a compression that the receiver accepts, or none, {}",
                by("with_compression or OTEL_EXPORTER_OTLP_COMPRESSION", "compression"),
            ),
            Self::NoService => format!(
                "does the receiver at {at} take {} over OTLP/gRPC? It is usually on port 4317",
                signal.name(),
            ),
            Self::SendProtobuf => format!(
                "does the receiver take JSON? Every OTLP/HTTP receiver takes the protocol http/protobuf, {}",
                by(
                    "with_protocol or OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
                    "encoding: protobuf",
                ),
            ),
        }
    }
}

const CERTIFICATE: &str = "with_certificate_pem or OTEL_EXPORTER_OTLP_CERTIFICATE";

fn usual_port(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            "OTLP/HTTP is usually on port 4318, OTLP/gRPC on 4317"
        }
        Protocol::Grpc => "OTLP/gRPC is usually on port 4317, OTLP/HTTP on 4318",
    }
}

/// A note that a feature is required, unless it is compiled in.
fn feature(enabled: bool, name: &str, crate_name: &str) -> String {
    if enabled { String::new() } else { format!(" (needs the feature `{name}` of {crate_name})") }
}
