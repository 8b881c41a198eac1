//! Situations in which the peer ends the connection, the TLS session or the request, and gives little reason.

use super::situations::{ENDPOINT, Situation, URL, answer, peer};
use super::{TemporaryFile, greeting, wait_for_end};
use spanwise_receiver::Receiver;
use spanwise_testkit::Peer;
use spanwise_testkit::pki::{Authority, Template, Usage};

const TLS_URL: &str = "https://localhost:{port}";

pub(super) fn all() -> Vec<Situation> {
    vec![
        of_authority().names(
            "TLS",
            "the TLS handshake failed: the certificate is one of a CA, used as the server's own",
            "trust exactly this certificate by with_certificate_pem or OTEL_EXPORTER_OTLP_CERTIFICATE",
        ),
        peer("The peer does not speak TLS", greeting(b"SSH-2.0-OpenSSH_9.6\r\n"))
            .set(ENDPOINT, TLS_URL)
            .names(
                "TLS",
                "the TLS handshake failed: the peer does not speak TLS",
                "use http:// instead of https:// in the endpoint",
            ),
        peer("The TLS session takes too long", Peer::start(|stream| wait_for_end(&stream)).unwrap())
            .set(ENDPOINT, TLS_URL)
            .set("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
            .names("TLS", "no TLS session within ", "check port and scheme"),
        // The request is unread at the end of the connection, which resets it.
        peer("The connection is reset", Peer::start(|stream| drop(stream.peek(&mut [0]))).unwrap())
            .set(ENDPOINT, URL)
            .names(
                "span",
                "the connection was reset before an answer came",
                "check port and scheme: OTLP/HTTP is usually on port 4318",
            ),
        answer("The receiver is overloaded or down", "503 Service Unavailable", "", "queue is full")
            .names(
                "span",
                "HTTP 503 Service Unavailable: queue is full",
                "takes no requests at the moment",
            ),
    ]
}

/// A certificate that `openssl req -x509` makes: its own issuer, and that of an authority.
fn of_authority() -> Situation {
    let template = Template { is_authority: true, usage: Usage::Any, ..Template::default() };
    let own = template.self_signed().unwrap();
    let receiver = Receiver::builder()
        .with_tls_pem(own.certificate.clone().into_bytes(), own.key.into_bytes())
        .start()
        .unwrap();
    let port = receiver.address().port();
    // Another one is trusted.
    let file = TemporaryFile::new("ca.pem", &Authority::new("doctor").unwrap().certificate);
    let path = file.text();
    Situation::new("The certificate is one of a CA", port, (receiver, file))
        .set(ENDPOINT, TLS_URL)
        .set("OTEL_EXPORTER_OTLP_CERTIFICATE", path)
}
