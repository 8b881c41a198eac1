//! The heap of TLS sessions, measured by the allocator.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, Stream};
use spanwise_receiver::Receiver;
use spanwise_testkit::pki::{Certificate, Template};
use spanwise_testkit::{CountingAllocator, allocator};
use support::raw::*;
use support::tls::*;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Sends `bytes` on a new connection.
fn send(receiver: &Receiver, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(receiver);
    stream.write_all(bytes).unwrap();
    stream
}

/// Makes a session, sends the beginning of an export, and drops the client's side of it.
fn session(receiver: &Receiver, client: &Arc<ClientConfig>) -> TcpStream {
    let mut session =
        ClientConnection::new(Arc::clone(client), "localhost".try_into().unwrap()).unwrap();
    let mut stream = connect(receiver);
    let mut tls = Stream::new(&mut session, &mut stream);
    tls.write_all(head("expect: 100-continue\r\ncontent-length: 9\r\n\r\n").as_bytes()).unwrap();
    tls.read_exact(&mut [0]).unwrap();
    stream
}

#[test]
fn a_session_holds_no_more_than_its_charge() {
    let pki = Pki::new();
    let plain = pki.receiver().start().unwrap();
    let mutual = pki.receiver().with_client_ca_pem(&*pki.clients.certificate).start().unwrap();
    let own = pki.clients.issue(&Template::client("shop.test")).unwrap();
    let copies = (60 << 10) / (own.certificate.len() * 3 / 4);
    let chain = Certificate { certificate: own.certificate.repeat(copies), key: own.key };
    let (anyone, shop) = (pki.client(None, &[]), pki.client(Some(&chain), &[]));
    // Each with the least KiB of one, so that each case holds the bytes of its name.
    let cases: [(&str, u64, &Receiver, &dyn Fn() -> TcpStream); 4] = [
        ("half a handshake", 4, &plain, &|| send(&plain, &hello(Arc::clone(&anyone)))),
        ("a long hello", 60, &plain, &|| send(&plain, &long_hello())),
        ("a session", 4, &plain, &|| session(&plain, &anyone)),
        ("a session with a long chain", 60, &mutual, &|| session(&mutual, &shop)),
    ];
    for (name, least, receiver, open) in cases {
        // The first one also allocates memory that all share.
        drop(open());
        wait_for(receiver, 0);
        let start = allocator::reset_peak();
        let held: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let stream = open();
                wait_for(receiver, number + 1);
                stream
            })
            .collect();
        let settled = allocator::heap();
        let charged = receiver.stats().buffer_bytes;
        let (peak, now) = (settled.peak - start, settled.current - start);
        println!("{name}: {now} bytes, at most {peak}, charged {charged}");
        assert!(peak <= charged, "{name}: {peak} of {charged}");
        assert!(now / SESSIONS >= least << 10, "{name}: {now}");
        drop(held);
    }
}

/// Waits until `sessions` sessions are charged, and the receiver has read all bytes of their clients.
fn wait_for(receiver: &Receiver, sessions: u64) {
    let start = Instant::now();
    let is_charged =
        |bytes: u64| (bytes == 0) == (sessions == 0) && bytes >= sessions * (128 << 10);
    let mut last = (allocator::heap().current, Instant::now());
    while !is_charged(receiver.stats().buffer_bytes) || last.1.elapsed() < SETTLED {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        let now = allocator::heap().current;
        if now != last.0 {
            last = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

const SESSIONS: u64 = 8;
/// Time without an allocation after which the receiver waits for its clients.
const SETTLED: Duration = Duration::from_millis(30);
