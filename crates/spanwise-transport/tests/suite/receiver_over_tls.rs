//! Both protocols over TLS and mutual TLS, against `spanwise-receiver`.

#![cfg(feature = "tokio")]

use crate::peer;

use peer::send;
use spanwise_receiver::{Receiver, ReceiverBuilder};
use spanwise_testkit::pki::{Authority, Certificate, Template};
use spanwise_transport::{Compression, Endpoint, Protocol, Transport, TransportBuilder};

struct Pki {
    servers: Authority,
    clients: Authority,
    server: Certificate,
    client: Certificate,
}

impl Pki {
    fn new() -> Self {
        let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
        let server = servers.issue(&Template::default()).unwrap();
        let client = clients.issue(&Template::client("shop.test")).unwrap();
        Self { servers, clients, server, client }
    }

    fn receiver(&self) -> ReceiverBuilder {
        Receiver::builder().with_tls_pem(&*self.server.certificate, &*self.server.key)
    }

    fn transport(&self, receiver: &Receiver, protocol: Protocol) -> TransportBuilder {
        let url = receiver.http_endpoint().replace("127.0.0.1", "localhost");
        let endpoint = match protocol {
            Protocol::Grpc => Endpoint::parse_grpc("TEST", &url, false),
            _ => Endpoint::parse_base("TEST", &url),
        };
        Transport::builder()
            .with_protocol(protocol)
            .with_endpoint(endpoint.unwrap())
            .with_certificate_pem(&*self.servers.certificate)
    }
}

const PROTOCOLS: &[Protocol] = &[
    Protocol::HttpProtobuf,
    Protocol::HttpJson,
    #[cfg(feature = "grpc")]
    Protocol::Grpc,
];

#[tokio::test]
async fn requests_arrive_over_tls_on_one_connection() {
    let pki = Pki::new();
    for &protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let receiver = pki.receiver().start().unwrap();
            let transport = pki.transport(&receiver, protocol).with_compression(compression);
            let transport = transport.build().unwrap();
            for _ in 0..3 {
                let delivery = send(&transport).await;
                assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
            }
            let stats = receiver.stats();
            assert_eq!((stats.spans, stats.connections), (9, 1), "{protocol} {stats:?}");
        }
    }
}

#[tokio::test]
async fn requests_arrive_over_mutual_tls_and_without_a_certificate_none_does() {
    let pki = Pki::new();
    for &protocol in PROTOCOLS {
        let builder = pki.receiver().with_client_ca_pem(&*pki.clients.certificate);
        let receiver = builder.start().unwrap();
        let transport = pki.transport(&receiver, protocol);
        let failed = std::sync::Arc::new(tokio::sync::Notify::new());
        let notify = std::sync::Arc::clone(&failed);
        let without = transport.clone().with_attempt_observer(move |_| notify.notify_one());
        let without = without.build().unwrap();
        let delivery = without
            .send_with_cancel(peer::request(3), async move { failed.notified().await })
            .await;
        assert!(delivery.cause.contains("asks for a client certificate"), "{delivery:?}");
        // HTTP/2 loses the alert: a request that was sent by then may have been accepted, as far as the
        // client knows.
        let is_known = protocol != Protocol::Grpc;
        assert!(!is_known || !delivery.may_have_been_accepted(), "{delivery:?}");
        let advice = delivery.advice.unwrap_or_default();
        assert!(advice.contains("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), "{advice}");
        assert_eq!(receiver.stats().requests, 0);

        let Certificate { certificate, key } = pki.client.clone();
        let transport = transport.with_client_certificate_pem(certificate, key).build().unwrap();
        let delivery = send(&transport).await;
        assert!(delivery.is_accepted(), "{delivery:?}");
        let stats = receiver.stats();
        assert_eq!((stats.spans, stats.requests), (3, 1), "{protocol} {stats:?}");
    }
}

/// TLS is negotiated by our own connector: what tonic knows is a URL without it.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_grpc_request_carries_the_scheme_and_authority_of_its_endpoint() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let pki = Pki::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = {
        use tokio_rustls::rustls::pki_types::pem::PemObject as _;
        use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
        use tokio_rustls::rustls::{ServerConfig, crypto};
        let own = CertificateDer::from_pem_slice(pki.server.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pki.server.key.as_bytes()).unwrap();
        let provider = std::sync::Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        std::sync::Arc::new(config)
    };
    let (seen, mut uris) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let service = hyper::service::service_fn(move |request: http::Request<_>| {
            let _: &hyper::body::Incoming = request.body();
            seen.send(request.uri().clone()).unwrap();
            async {
                let response = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "3");
                response.body(String::new())
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
    let endpoint = Endpoint::parse("TEST", &format!("https://localhost:{port}/ignored")).unwrap();
    let transport = Transport::builder()
        .with_protocol(Protocol::Grpc)
        .with_endpoint(endpoint)
        .with_certificate_pem(&*pki.servers.certificate)
        .build()
        .unwrap();
    send(&transport).await;
    let uri = uris.recv().await.unwrap();
    let export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert_eq!(uri.to_string(), format!("https://localhost:{port}{export}"));
}
