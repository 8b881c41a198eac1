//! TLS and client certificates: who reaches the handler, and what the others cost.

use crate::support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Limits, Receiver, ReceiverBuilder, StartError};
use spanwise_testkit::pki::{Authority, Certificate, Template, Usage};
use support::Stop;
use support::raw::*;
use support::tls::*;

fn wait_until(receiver: &Receiver, done: impl Fn(&spanwise_receiver::Stats) -> bool) {
    let start = Instant::now();
    while !done(&receiver.stats()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_client_exports_over_tls_with_and_without_alpn() {
    let pki = Pki::new();
    let receiver = pki.receiver().start().unwrap();
    assert!(receiver.http_endpoint().starts_with("https://127.0.0.1:"));
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        assert_eq!(export(&receiver, pki.client(None, alpn)), "HTTP/1.1 200 OK");
    }
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.failed_handshakes), (2, 0), "{stats:?}");
    // A client of another protocol gets an alert.
    assert_eq!(export(&receiver, pki.client(None, &[b"smtp"])), "");
    wait_until(&receiver, |stats| stats.failed_handshakes == 1);
}

/// A renewal without the authorities would admit everybody.
#[test]
fn a_renewal_does_not_change_whether_clients_need_certificates() {
    let pki = Pki::new();
    let open = pki.receiver().start().unwrap();
    let closed = pki.receiver().with_client_ca_pem(&*pki.clients.certificate).start().unwrap();
    let authorities = pki.clients.certificate.clone().into_bytes();
    for (receiver, client_ca, is_renewal) in [
        (&open, None, true),
        (&open, Some(authorities.clone()), false),
        (&closed, Some(authorities), true),
        (&closed, None, false),
    ] {
        let own = &pki.server;
        let renewal = receiver.renew_tls_pem(own.certificate.as_str(), own.key.as_str(), client_ca);
        match renewal {
            Ok(renewal) if is_renewal => renewal.apply(),
            Err(StartError::Tls { setting: "with_client_ca_pem", .. }) if !is_renewal => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(export(&open, pki.client(None, &[])), "HTTP/1.1 200 OK");
    assert_eq!(export(&closed, pki.client(None, &[])), "");
}

#[test]
fn only_clients_with_the_right_certificate_reach_the_handler() {
    let pki = Pki::new();
    let builder = pki.receiver().with_client_ca_pem(&*pki.clients.certificate);
    let receiver = builder.start().unwrap();
    let shop = Template::client("shop.test");
    let stranger = Authority::new("clients").unwrap().issue(&shop).unwrap();
    let late = pki.clients.issue(&Template { until: 2021, ..shop.clone() }).unwrap();
    let server = pki.clients.issue(&Template { usage: Usage::Server, ..shop.clone() }).unwrap();
    let refused = [None, Some(&stranger), Some(&late), Some(&server)];
    // In TLS 1.3 a client detects it after its handshake.
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    for version in versions {
        for own in refused {
            let client = pki.client_of(&[version], own, &[]);
            assert_eq!(export(&receiver, client), "", "{version:?}: {own:?}");
        }
    }
    // A chain longer than one handshake message may be; the client gets no further than its first bytes.
    let one = pki.clients.issue(&shop).unwrap();
    let chain = Certificate { certificate: one.certificate.repeat(200), key: one.key };
    assert_eq!(export(&receiver, pki.client(Some(&chain), &[])), "");
    wait_until(&receiver, |stats| stats.failed_handshakes == 2 * refused.len() as u64 + 1);
    let own = pki.clients.issue(&shop).unwrap();
    for version in versions {
        let client = pki.client_of(&[version], Some(&own), &[]);
        assert_eq!(export(&receiver, client), "HTTP/1.1 200 OK");
    }
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.spans), (2, 2), "{stats:?}");
}

#[test]
fn a_handshake_has_the_time_of_headers() {
    let pki = Pki::new();
    let limits = Limits::default().with_header_timeout(Duration::from_millis(100));
    let receiver = pki.receiver().with_limits(limits).start().unwrap();
    // Nothing; the beginning of a record; and a hello without an answer to the server's flight.
    let session = |bytes: &[u8]| {
        let mut stream = connect(&receiver);
        stream.write_all(bytes).unwrap();
        stream
    };
    let streams =
        [session(&[]), session(&[0x16, 3, 1, 0x10, 0]), session(&hello(pki.client(None, &[])))];
    for stream in streams {
        _ = until_closed(stream);
    }
    wait_until(&receiver, |stats| stats.failed_handshakes == 3);
    assert_eq!(receiver.stats().requests, 0);
}

#[test]
fn bytes_that_are_no_tls_close_the_connection_without_a_request() {
    let pki = Pki::new();
    let receiver = pki.receiver().start().unwrap();
    let plain = exchange(&receiver, head("content-length: 0\r\n\r\n").as_bytes());
    assert!(!plain.contains("HTTP/1.1"), "{plain:?}");
    _ = exchange(&receiver, &preface());
    wait_until(&receiver, |stats| stats.failed_handshakes == 2);
    assert_eq!(receiver.stats().requests, 0);
}

/// A record of a handshake message that claims to be as long as one may be.
fn endless_hello(_: u32) -> Vec<u8> {
    // RFC 8446, 5.1 and 4: records of 16 KiB; a ClientHello of 64 KiB less one byte.
    let mut record = vec![0x16, 3, 1, 0x40, 0];
    record.extend_from_slice(&[1, 0, 0xff, 0xfe]);
    record.resize(5 + (16 << 10), 0);
    record
}

#[test]
fn a_handshake_without_end_is_closed() {
    let pki = Pki::new();
    let receiver = pki.receiver().start().unwrap();
    let written = flood(&receiver, &[], endless_hello);
    // The receiver does not control the buffers of the sockets.
    assert!(written < 16 << 20, "{written}");
    wait_until(&receiver, |stats| stats.failed_handshakes == 1);
}

#[test]
fn handshakes_that_wait_are_evicted_in_favour_of_new_connections() {
    let pki = Pki::new();
    let limits = Limits::default().with_connections(4);
    let receiver = pki.receiver().with_limits(limits).start().unwrap();
    let waiting: Vec<TcpStream> = (0..4).map(|_| connect(&receiver)).collect();
    wait_until(&receiver, |stats| stats.connections == 4);
    // Old enough to be evicted.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(export(&receiver, pki.client(None, &[])), "HTTP/1.1 200 OK");
    assert_eq!(receiver.stats().evicted_connections, 1);
    drop(waiting);
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_errors_without_their_text() {
    let pki = Pki::new();
    let other = pki.servers.issue(&Template::default()).unwrap();
    let (certificate, key) = (&*pki.server.certificate, &*pki.server.key);
    let cut = &key[..key.len() / 2];
    for (certificate, key, client_ca, setting) in [
        (certificate, &*other.key, None, "with_tls_pem: the key does not belong"),
        (certificate, "hunter2", None, "with_tls_pem: the key holds no private key"),
        (certificate, cut, None, "with_tls_pem: the key holds no private key"),
        ("hunter2", key, None, "with_tls_pem: it holds no certificate"),
        (key, key, None, "with_tls_pem: it holds no certificate"),
        (certificate, key, Some("hunter2"), "with_client_ca_pem: it holds no certificate"),
        (certificate, key, Some(key), "with_client_ca_pem: it holds no certificate"),
    ] {
        let mut builder = Receiver::builder().with_tls_pem(certificate, key);
        if let Some(pem) = client_ca {
            builder = builder.with_client_ca_pem(pem);
        }
        let shown = format!("{builder:?}");
        let error = builder.start().unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }), "{error}");
        let shown = format!("{shown} {error} {error:?}");
        assert!(error.to_string().starts_with(setting), "{shown}");
        let body = key.lines().nth(1).unwrap_or("hunter2");
        assert!(!shown.contains("hunter2") && !shown.contains(body), "{shown}");
    }
    let error = Receiver::builder().with_client_ca_pem(certificate).start().unwrap_err();
    assert!(error.to_string().contains("it needs a certificate of the server"), "{error}");
}

/// Keeps connections open that begin a handshake and never finish it, until `stop`.
fn flood_of_handshakes(receiver: &Receiver, hellos: &[Vec<u8>], stop: &AtomicBool) {
    let mut open: Vec<Option<TcpStream>> = (0..40).map(|_| None).collect();
    while !stop.load(SeqCst) {
        for (slot, hello) in open.iter_mut().zip(hellos.iter().cycle()) {
            // Bytes of the receiver's answer, or its close.
            let mut piece = [0; 4096];
            let is_closed = |stream: &mut TcpStream| match stream.read(&mut piece) {
                Ok(len) => len == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            if slot.as_mut().is_none_or(is_closed) {
                let mut stream = connect(receiver);
                _ = stream.write_all(hello);
                stream.set_nonblocking(true).unwrap();
                *slot = Some(stream);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_flood_of_handshakes_stays_within_the_memory_and_locks_out_no_client() {
    const MEMORY: usize = 2 << 20;
    let pki = Pki::new();
    let limits = Limits::default().with_memory_bytes(MEMORY);
    let receiver = pki.receiver().with_limits(limits).start().unwrap();
    let is_within = || {
        let stats = receiver.stats();
        let bytes = stats.bytes_in_memory + stats.buffer_bytes + stats.cached_bytes;
        assert!(bytes <= MEMORY as u64 && stats.buffer_bytes <= MEMORY as u64 / 2, "{stats:?}");
    };
    let client = pki.client(None, &[]);
    let mut regular = TlsClient::connect(&receiver, &client);
    assert_eq!(regular.export(), "HTTP/1.1 200 OK");
    let hellos = [hello(client.clone()), long_hello(), vec![0x16]];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| flood_of_handshakes(&receiver, &hellos, &stop));
        let _stop = Stop(&stop);
        wait_until(&receiver, |stats| stats.refused_connections > 20);
        let start = Instant::now();
        let mut new = 0;
        while new < 3 {
            // A client with a session keeps it.
            assert_eq!(regular.export(), "HTTP/1.1 200 OK");
            is_within();
            // A new client retries until a handshake that never ends is evicted for it.
            new += usize::from(export(&receiver, client.clone()) == "HTTP/1.1 200 OK");
            is_within();
            assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let stats = receiver.stats();
    assert!(stats.evicted_connections > 0, "{stats:?}");
    drop(regular);
    wait_until(&receiver, |stats| stats.buffer_bytes == 0);
}

#[test]
fn a_memory_that_holds_no_session_is_an_error() {
    let pki = Pki::new();
    let start = |builder: ReceiverBuilder, memory: usize| {
        builder.with_limits(Limits::default().with_memory_bytes(memory)).start().map(|_| ())
    };
    let mutual = || pki.receiver().with_client_ca_pem(&*pki.clients.certificate);
    assert!(start(pki.receiver(), 256 << 10).is_ok() && start(mutual(), 512 << 10).is_ok());
    for (builder, memory) in [(pki.receiver(), 256 << 10), (mutual(), 512 << 10)] {
        let error = start(builder, memory - 1).unwrap_err().to_string();
        let text = format!("the limit memory_bytes is {}, and must be in {memory}..=", memory - 1);
        assert!(error.starts_with(&text), "{error}");
    }
}

#[test]
fn a_body_that_drips_over_tls_is_rejected() {
    let pki = Pki::new();
    let limits = Limits::default().with_body_window(Duration::from_millis(100));
    let receiver = pki.receiver().with_limits(limits).start().unwrap();
    let mut client = TlsClient::connect(&receiver, &pki.client(None, &[])).0;
    client.write_all(head("content-length: 1000\r\n\r\nx").as_bytes()).unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[test]
fn a_flood_over_tls_is_closed_and_counted() {
    let pki = Pki::new();
    let receiver = pki.receiver().start().unwrap();
    let mut client = TlsClient::connect(&receiver, &pki.client(None, &[b"h2"])).0;
    client.write_all(&preface()).unwrap();
    let pings = frame(PING, 0, 0, &[1; 8]).repeat(1000);
    // A record in one write: the receiver reads it whole, and closes at its first part.
    let _closed_meanwhile = client.write_all(&pings).and_then(|()| client.flush());
    wait_until(&receiver, |stats| stats.flood_connections == 1);
    wait_until(&receiver, |stats| stats.buffer_bytes == 0);
}
