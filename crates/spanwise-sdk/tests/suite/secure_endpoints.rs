//! A provider that the standard variables connect by mutual TLS, or to a Unix socket.

use crate::support;

use std::path::PathBuf;

use spanwise_receiver::Receiver;
use spanwise_sdk::{SpanKind, Spanwise, SpanwiseBuilder};
#[cfg(feature = "tls")]
use spanwise_testkit::FaultProxy;
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
        let (new, path) = (self.0.join("new"), self.0.join(name));
        // A rename: another inode, also within one tick of the clock.
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
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

/// The files change while the provider runs, and half of a pair is no pair.
#[cfg(feature = "tls")]
#[test]
fn certificate_files_that_cannot_be_reloaded_are_reported_once_and_so_is_their_recovery() {
    let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
    let server = servers.issue(&Template::default()).unwrap();
    let [old, new] = [(); 2].map(|()| clients.issue(&Template::client("shop.test")).unwrap());
    let folder = Folder::new("reload");
    let receiver = Receiver::builder()
        .with_tls_pem(&*server.certificate, &*server.key)
        .with_client_ca_pem(&*clients.certificate)
        .start()
        .unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    let key = folder.write("client.key", &old.key);
    let log = support::DiagnosticLog::default();
    let builder = with(vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", proxy.address().port())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", folder.write("ca.pem", &servers.certificate)),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", folder.write("client.pem", &old.certificate)),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.clone()),
    ]);
    let spanwise = log.attach(builder).build().unwrap();
    let export = || {
        proxy.reset_open_connections();
        spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
        assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 1);
        log.lines().iter().filter(|line| line.contains("certificate files")).cloned().collect()
    };
    let none: Vec<String> = export();
    assert!(none.is_empty(), "{none:?}");
    folder.write("client.pem", &new.certificate);
    for _ in 0..3 {
        let lines = export();
        let [line] = &*lines else { panic!("{lines:?}") };
        assert!(line.starts_with("changed certificate files cannot be used"), "{line}");
        let setting = format!("OTEL_EXPORTER_OTLP_CLIENT_KEY=`{key}`: ");
        assert!(line.contains(&setting) && line.contains("is not the key of"), "{line}");
        assert!(!line.contains(new.key.lines().nth(1).unwrap()), "{line}");
    }
    folder.write("client.key", &new.key);
    for _ in 0..3 {
        let lines = export();
        let [_, line] = &*lines else { panic!("{lines:?}") };
        assert!(line.starts_with("the changed certificate files are in use, after"), "{line}");
    }
    drop(spanwise);
}
