//! A process that has SIGPIPE at its default survives peers that close while we write.

#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::Read as _;
use std::net::{Shutdown, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spanwise_testkit::rerun;
use spanwise_transport::{Endpoint, Fetcher, Protocol, RetryPolicy, Transport};
use tokio::time::Instant;

/// The role of the child process, and the URL that it sends to.
const ROLE: &str = "SPANWISE_SIGPIPE_ROLE";
const URL: &str = "SPANWISE_SIGPIPE_URL";

/// Connections that the child makes before it counts as a survivor.
const MANY: usize = 40;

/// Accepts, reads a little, shuts down its side, and closes with bytes unread, so that the next write
/// of the client receives a reset. Counts connections.
fn rude_peer(secure: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if secure { "https" } else { "http" };
    let url = format!("{scheme}://localhost:{}/", listener.local_addr().unwrap().port());
    let met = Arc::new(AtomicUsize::new(0));
    let count = met.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                if secure {
                    shake_hands(&mut stream);
                }
                let _read = stream.read(&mut [0; 16]);
                let _shut_down = stream.shutdown(Shutdown::Both);
                // Longer than nothing: the peer's next write is met by a reset.
                std::thread::sleep(Duration::from_millis(1));
            });
        }
    });
    (url, met)
}

#[cfg(feature = "tls")]
fn shake_hands(stream: &mut std::net::TcpStream) {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, crypto};
    let certificate = CertificateDer::from_pem_slice(include_bytes!("data/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let mut session = ServerConnection::new(Arc::new(config)).unwrap();
    while session.is_handshaking() && session.complete_io(stream).is_ok() {}
}

#[cfg(not(feature = "tls"))]
fn shake_hands(_: &mut std::net::TcpStream) {}

fn survives(role: &str) {
    let (url, met) = rude_peer(role == "https");
    let child = rerun("child").env(ROLE, role).env(URL, &url).output().unwrap();
    let output = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), None, "{role}: {output}");
    assert_eq!(child.status.code(), Some(0), "{role}: {output}");
    assert!(met.load(Ordering::SeqCst) >= MANY, "{role}: {met:?} connections");
}

#[test]
fn http_survives_a_closing_peer() {
    survives("http");
}

#[cfg(feature = "tls")]
#[test]
fn https_survives_a_closing_peer() {
    survives("https");
}

#[cfg(feature = "grpc")]
#[test]
fn grpc_survives_a_closing_peer() {
    survives("grpc");
}

#[test]
fn a_fetcher_survives_a_closing_peer() {
    survives("fetch");
}

/// std's own vectored write raises the signal.
#[cfg(target_os = "linux")]
#[test]
fn a_vectored_write_of_std_raises_the_signal() {
    let child = rerun("child").env(ROLE, "writev").output().unwrap();
    assert_eq!(child.status.signal(), Some(libc::SIGPIPE));
}

/// Does nothing unless it is the child.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // SAFETY: no handler is installed, and no other thread of this process changes signals.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    if role == "writev" {
        use std::io::{IoSlice, Write as _};
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(theirs);
        let _closed = ours.write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = std::env::var(URL).unwrap();
    runtime.block_on(async {
        if role == "fetch" {
            let endpoint = Endpoint::parse("TEST", &url).unwrap();
            let fetcher = Fetcher::new(endpoint, Duration::from_secs(5), 100).unwrap();
            for _ in 0..10 * MANY {
                let json = bytes::Bytes::from(vec![b' '; 1 << 20]);
                assert!(fetcher.post("/a", json).await.is_err());
            }
            return;
        }
        let protocol = if role == "grpc" { Protocol::Grpc } else { Protocol::HttpProtobuf };
        let transport = Transport::builder()
            .with_protocol(protocol)
            .with_certificate_pem(include_bytes!("data/ca.pem"))
            .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
            .with_request_timeout(Duration::from_millis(500))
            .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(1)))
            .build()
            .unwrap();
        let mut attempts = 0;
        while attempts < 4 * MANY {
            let cancel_at = Instant::now() + Duration::from_secs(30);
            let delivery = transport.send_until(vec![b'\n'; 1 << 20], cancel_at.into()).await;
            assert!(!delivery.is_accepted(), "{delivery:?}");
            attempts += delivery.attempts as usize;
        }
    });
}
