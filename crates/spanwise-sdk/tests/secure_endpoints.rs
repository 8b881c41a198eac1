//! A provider that the standard variables connect by mutual TLS, or to a Unix socket.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use spanwise_receiver::Receiver;
use spanwise_sdk::{SpanKind, Spanwise, SpanwiseBuilder};
#[cfg(feature = "tls")]
use spanwise_testkit::pki::{Authority, Template};
use support::LONG;

const PROTOCOLS: &[&str] =
    if cfg!(feature = "grpc") { &["http/protobuf", "grpc"] } else { &["http/protobuf"] };

/// A folder of one test, which its drop removes.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    #[cfg(feature = "tls")]
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn with(variables: Vec<(&'static str, String)>) -> SpanwiseBuilder {
    Spanwise::builder().with_diagnostics(|_| {}).with_environment(move |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })
}

#[cfg(unix)]
#[test]
fn the_variable_of_the_endpoint_names_a_unix_socket() {
    let folder = Folder::new("unix-socket");
    let path = folder.0.join("otel.sock");
    for protocol in PROTOCOLS {
        let receiver = Receiver::builder().with_unix_socket(&path).start().unwrap();
        let spanwise = with(vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("unix:{}", path.display())),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", (*protocol).to_owned()),
        ])
        .build()
        .unwrap();
        spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.exported, 1, "{protocol}: {report}");
        assert_eq!(receiver.stats().spans, 1, "{protocol}");
        receiver.shutdown();
    }
}

/// OTLP, *Certificate File*, *Client certificate file*, *Client key file*.
#[cfg(feature = "tls")]
#[test]
fn the_variables_of_certificates_connect_by_mutual_tls() {
    let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
    let server = servers.issue(&Template::default()).unwrap();
    let client = clients.issue(&Template::client("shop.test")).unwrap();
    let folder = Folder::new("mutual-tls");
    for protocol in PROTOCOLS {
        let receiver = Receiver::builder()
            .with_tls_pem(&*server.certificate, &*server.key)
            .with_client_ca_pem(&*clients.certificate)
            .start()
            .unwrap();
        let endpoint = receiver.http_endpoint().replace("127.0.0.1", "localhost");
        let spanwise = with(vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", (*protocol).to_owned()),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", folder.write("ca.pem", &servers.certificate)),
            (
                "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
                folder.write("client.pem", &client.certificate),
            ),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", folder.write("client.key", &client.key)),
        ])
        .build()
        .unwrap();
        spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.exported, 1, "{protocol}: {report}");
        assert_eq!(receiver.stats().spans, 1, "{protocol}");
    }
}
