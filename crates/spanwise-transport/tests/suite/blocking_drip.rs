//! TLS servers that send a record byte by byte: a blocking transport returns by its deadlines.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use spanwise_transport::{BlockingTransport, Delivery, Endpoint};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, crypto};

/// Serves each connection on a thread; returns the URL.
fn serve(serve: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || serve(stream));
        }
    });
    url
}

/// Writes one byte every 20 ms, until the peer has closed the connection.
fn drip(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn connection() -> ServerConnection {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// A request with a timeout far below [`PATIENCE`], to a server that drips for far longer.
fn send(url: &str) -> Delivery {
    let transport = BlockingTransport::builder()
        .with_endpoint(Endpoint::parse("TEST", url).unwrap())
        .with_certificate_pem(include_bytes!("../data/ca.pem"))
        .with_attempt_timeout(Duration::from_millis(300))
        .with_request_timeout(Duration::from_millis(600))
        .build_blocking()
        .unwrap();
    let start = Instant::now();
    let delivery = transport.send(vec![b'\n', 0]);
    assert!(start.elapsed() < PATIENCE, "{:?}: {delivery:?}", start.elapsed());
    assert!(!delivery.is_accepted(), "{delivery:?}");
    delivery
}

const PATIENCE: Duration = Duration::from_secs(6);

#[test]
fn a_handshake_that_drips_ends_with_the_attempt() {
    let url = serve(|mut stream| {
        // The head of a handshake record of 16 KiB, and of a message in it.
        let record = [&[0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc][..], &[3; 1000]].concat();
        drip(&mut stream, &record);
    });
    let delivery = send(&url);
    assert!(delivery.cause.starts_with("no TLS session within"), "{delivery:?}");
    assert_eq!(delivery.ambiguous_attempts, 0, "{delivery:?}");
}

#[test]
fn an_answer_that_drips_ends_with_the_attempt() {
    let url = serve(|mut stream| {
        let mut session = connection();
        while session.is_handshaking() {
            if session.complete_io(&mut stream).is_err() {
                return;
            }
        }
        let mut request = Vec::new();
        while !request.ends_with(b"\n\0") {
            let mut some = [0; 4096];
            if session.complete_io(&mut stream).is_err() {
                return;
            }
            if let Ok(len) = session.reader().read(&mut some) {
                request.extend_from_slice(&some[..len]);
            }
        }
        let padding = "x".repeat(1000);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: {padding}\r\n\r\n");
        session.writer().write_all(answer.as_bytes()).unwrap();
        let mut record = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut record).unwrap();
        }
        drip(&mut stream, &record);
    });
    let delivery = send(&url);
    assert!(delivery.cause.starts_with("no answer within"), "{delivery:?}");
    assert!(delivery.ambiguous_attempts > 0, "{delivery:?}");
}
