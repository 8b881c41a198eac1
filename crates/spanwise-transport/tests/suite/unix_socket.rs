//! Endpoints at Unix sockets, against `spanwise-receiver`.

#![cfg(all(feature = "tokio", unix))]

use crate::peer;

use std::path::PathBuf;
use std::sync::Arc;

use peer::send;
use spanwise_receiver::Receiver;
use spanwise_transport::{
    Compression, Endpoint, EndpointProblem, Protocol, Transport, TransportBuilder,
};
use tokio::sync::Notify;

/// A path in a folder of its own, which the drop removes.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder.join("otel.sock"))
    }

    fn transport(&self, protocol: Protocol) -> TransportBuilder {
        let endpoint = Endpoint::parse("TEST", &format!("unix:{}", self.0.display())).unwrap();
        Transport::builder().with_protocol(protocol).with_endpoint(endpoint)
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

const PROTOCOLS: &[Protocol] = &[
    Protocol::HttpProtobuf,
    Protocol::HttpJson,
    #[cfg(feature = "grpc")]
    Protocol::Grpc,
];

#[tokio::test]
async fn requests_arrive_through_a_unix_socket_on_one_connection() {
    let path = SocketPath::new("unix-both");
    for &protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let receiver = Receiver::builder().with_unix_socket(&path.0).start().unwrap();
            let transport = path.transport(protocol).with_compression(compression).build().unwrap();
            for _ in 0..3 {
                let delivery = send(&transport).await;
                assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
            }
            let stats = receiver.stats();
            assert_eq!((stats.spans, stats.connections), (9, 1), "{protocol} {stats:?}");
            receiver.shutdown();
        }
    }
}

#[tokio::test]
async fn a_socket_without_a_listener_is_explained() {
    let path = SocketPath::new("unix-none");
    let attempt = async |protocol| {
        let failed = Arc::new(Notify::new());
        let notify = Arc::clone(&failed);
        let builder = path.transport(protocol).with_attempt_observer(move |_| notify.notify_one());
        let transport = builder.build().unwrap();
        transport.send_with_cancel(peer::request(3), failed.notified()).await
    };
    for &protocol in PROTOCOLS {
        let _ = std::fs::remove_file(&path.0);
        for cause in ["the socket does not exist", "connection refused"] {
            let delivery = attempt(protocol).await;
            assert_eq!(delivery.cause, cause, "{delivery:?}");
            assert!(!delivery.may_have_been_accepted(), "{delivery:?}");
            let advice = delivery.advice.unwrap_or_default();
            assert!(advice.contains(&format!("unix:{}", path.0.display())), "{advice}");
            drop(std::os::unix::net::UnixListener::bind(&path.0));
        }
    }
}

#[tokio::test]
async fn a_receiver_that_starts_again_gets_the_next_request() {
    let path = SocketPath::new("unix-again");
    let transport = path.transport(Protocol::HttpProtobuf).build().unwrap();
    for _ in 0..2 {
        let receiver = Receiver::builder().with_unix_socket(&path.0).start().unwrap();
        let delivery = send(&transport).await;
        assert!(delivery.is_accepted(), "{delivery:?}");
        assert_eq!(receiver.stats().spans, 3);
        receiver.shutdown();
    }
}

#[test]
fn a_document_has_no_unix_socket() {
    let endpoint = Endpoint::parse("TEST", "unix:/run/otel.sock").unwrap();
    let second = std::time::Duration::from_secs(1);
    let error = spanwise_transport::Fetcher::new(endpoint, second, 1024).unwrap_err().to_string();
    assert!(error.starts_with("unix:/run/otel.sock cannot be fetched from"), "{error}");
}

/// The length of `sockaddr_un::sun_path`, less the zero at its end.
const LONGEST: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

#[test]
fn a_unix_socket_has_an_absolute_path() {
    for url in ["unix:/run/otel.sock", "unix:///run/otel.sock", " UNIX:/run/otel.sock "] {
        for endpoint in [
            Endpoint::parse("S", url).unwrap(),
            Endpoint::parse_base("S", url).unwrap(),
            Endpoint::parse_grpc("S", url, false).unwrap(),
        ] {
            assert_eq!(endpoint.to_string(), "unix:/run/otel.sock");
            assert_eq!(endpoint.unix_path(), Some("/run/otel.sock"));
            assert_eq!((endpoint.authority(), endpoint.path()), ("localhost", "/v1/traces"));
            assert!(!endpoint.is_https());
        }
    }
    let longest = format!("unix:/{}", "x".repeat(LONGEST - 1));
    assert!(Endpoint::parse("S", &longest).is_ok());
    for (url, problem) in [
        ("unix:", EndpointProblem::SocketPath),
        ("unix:otel.sock", EndpointProblem::SocketPath),
        ("unix://run/otel.sock", EndpointProblem::SocketPath),
        ("unix:/run/", EndpointProblem::SocketPath),
        ("unix:/run/a\0b", EndpointProblem::Control),
        (&format!("{longest}x"), EndpointProblem::SocketPath),
    ] {
        let error = Endpoint::parse("OTEL_X", url).unwrap_err();
        assert_eq!(error.problem(), problem, "{url}");
        let shown = error.to_string();
        assert!(shown.contains("OTEL_X") && shown.contains("unix:/path"), "{shown}");
    }
}
