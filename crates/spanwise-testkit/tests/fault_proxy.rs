//! Each fault, observed at both ends with plain sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_testkit::{ClosedPort, Fault, FaultProxy, Peer};

const REQUEST: &[u8] = b"request!";
const RESPONSE: &[u8] = b"the response";

/// Longer than any step of these tests takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough for bytes to cross loopback, if the proxy relayed them.
const MOMENT: Duration = Duration::from_millis(30);

struct Upstream {
    peer: Peer,
    /// The bytes that each connection received until its end.
    received: Receiver<Vec<u8>>,
}

/// Answers every whole `REQUEST` with `RESPONSE`.
fn upstream() -> Upstream {
    let (report, received) = channel();
    let peer = Peer::start(move |stream| serve(stream, &report)).unwrap();
    Upstream { peer, received }
}

fn serve(mut stream: TcpStream, report: &Sender<Vec<u8>>) {
    let (mut all, mut answered, mut buffer) = (Vec::new(), 0, [0; 1024]);
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..len]);
        while all.len() >= answered + REQUEST.len() {
            answered += REQUEST.len();
            if stream.write_all(RESPONSE).is_err() {
                break;
            }
        }
    }
    let _test_over = report.send(all);
}

fn proxy() -> (FaultProxy, Upstream) {
    let upstream = upstream();
    (FaultProxy::start(upstream.peer.address()).unwrap(), upstream)
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The response to a client that sends `REQUEST`, and whether the connection ended by a reset, which
/// may happen as early as the connect.
fn request(proxy: &FaultProxy) -> (Vec<u8>, bool) {
    let Ok(mut stream) = TcpStream::connect(proxy.address()) else { return (Vec::new(), true) };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = stream.write_all(REQUEST);
    let (response, reset) = read_to_the_end(&mut stream);
    (response, reset || sent.is_err())
}

fn exchange(stream: &mut TcpStream) -> [u8; RESPONSE.len()] {
    stream.write_all(REQUEST).unwrap();
    let mut response = [0; RESPONSE.len()];
    stream.read_exact(&mut response).unwrap();
    response
}

/// All bytes until the end of the connection, and whether it ended by a reset.
fn read_to_the_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, false),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, true),
            Err(error) => panic!("neither end nor reset: {error}"),
        }
    }
}

fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    let error = stream.read(&mut [0; 64]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn pass_relays_and_counts_bytes() {
    let (proxy, upstream) = proxy();
    assert_eq!(proxy.endpoint(), format!("http://{}", proxy.address()));
    let mut stream = connect(&proxy);
    for _ in 0..3 {
        assert_eq!(exchange(&mut stream), RESPONSE);
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_the_end(&mut stream), (Vec::new(), false));
    assert_eq!(upstream.received.recv().unwrap(), REQUEST.repeat(3));
    assert!(proxy.wait_timeout(PATIENCE, |traffic| traffic.closed == 1));
    let traffic = proxy.traffic();
    assert_eq!((traffic.connections, traffic.resets), (1, 0));
    assert_eq!(traffic.request_bytes, 3 * REQUEST.len() as u64);
    assert_eq!(traffic.response_bytes, 3 * RESPONSE.len() as u64);
}

#[test]
fn pass_relays_megabytes_unchanged() {
    let (proxy, upstream) = proxy();
    let mut stream = connect(&proxy);
    let body: Vec<u8> = (0..4 << 20).map(|index: u32| (index / 7) as u8).collect();
    let mut reader = stream.try_clone().unwrap();
    let answers = thread::spawn(move || read_to_the_end(&mut reader));
    stream.write_all(&body).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers.join().unwrap(), (RESPONSE.repeat(body.len() / REQUEST.len()), false));
    assert!(upstream.received.recv().unwrap() == body);
}

#[test]
fn refuse_resets_new_and_open_connections() {
    let (proxy, upstream) = proxy();
    let mut open = connect(&proxy);
    exchange(&mut open);
    proxy.set(Fault::Refuse);
    assert_eq!(proxy.fault(), Fault::Refuse);
    assert!(read_to_the_end(&mut open).1);
    assert_eq!(request(&proxy), (Vec::new(), true));
    assert!(proxy.wait_timeout(PATIENCE, |traffic| traffic.resets == 2));
    assert_eq!(upstream.received.recv().unwrap(), REQUEST);
    proxy.set(Fault::Pass);
    assert_eq!(exchange(&mut connect(&proxy)), RESPONSE);
}

#[test]
fn black_hole_relays_nothing_until_it_is_removed() {
    let (proxy, _upstream) = proxy();
    let mut open = connect(&proxy);
    exchange(&mut open);
    proxy.set(Fault::BlackHole);
    let mut new = connect(&proxy);
    assert!(proxy.wait_timeout(PATIENCE, |traffic| traffic.connections == 2));
    for stream in [&mut open, &mut new] {
        stream.write_all(REQUEST).unwrap();
        assert_silent(stream);
    }
    assert_eq!(proxy.traffic().request_bytes, REQUEST.len() as u64);
    proxy.set(Fault::Pass);
    for stream in [&mut open, &mut new] {
        let mut response = [0; RESPONSE.len()];
        stream.read_exact(&mut response).unwrap();
        assert_eq!(response, RESPONSE);
    }
}

#[test]
fn delay_applies_both_ways() {
    let (proxy, _upstream) = proxy();
    let delay = Duration::from_millis(20);
    proxy.set(Fault::Delay(delay));
    let mut stream = connect(&proxy);
    let before = Instant::now();
    assert_eq!(exchange(&mut stream), RESPONSE);
    assert!(before.elapsed() >= 2 * delay);
    // Removing the fault releases the delayed bytes.
    proxy.set(Fault::Delay(Duration::from_secs(3600)));
    stream.write_all(REQUEST).unwrap();
    assert_silent(&mut stream);
    proxy.set(Fault::Pass);
    stream.read_exact(&mut [0; RESPONSE.len()]).unwrap();
}

#[test]
fn drip_relays_one_portion_per_tick() {
    let (proxy, _upstream) = proxy();
    let tick = Duration::from_millis(5);
    proxy.set(Fault::DripResponse { bytes_per_tick: 5, tick });
    let mut stream = connect(&proxy);
    let before = Instant::now();
    assert_eq!(exchange(&mut stream), RESPONSE);
    assert!(before.elapsed() >= 2 * tick, "three portions have two pauses between them");
    // The first portion comes at once, the second only after its tick.
    proxy.set(Fault::DripResponse { bytes_per_tick: 5, tick: Duration::from_secs(3600) });
    stream.write_all(REQUEST).unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    assert_silent(&mut stream);
}

#[test]
fn the_connection_is_reset_after_the_given_request_bytes() {
    let (proxy, upstream) = proxy();
    for limit in 0..=REQUEST.len() {
        proxy.set(Fault::ResetAfterRequestBytes(limit as u64));
        assert_eq!(request(&proxy), (Vec::new(), true), "after {limit}");
        assert_eq!(upstream.received.recv().unwrap(), REQUEST[..limit]);
    }
}

#[test]
fn the_connection_is_reset_after_the_given_response_bytes() {
    let (proxy, _upstream) = proxy();
    for limit in 1..=RESPONSE.len() {
        proxy.set(Fault::ResetAfterResponseBytes(limit as u64));
        assert_eq!(request(&proxy), (RESPONSE[..limit].to_vec(), true));
    }
    let sent: usize = (1..=RESPONSE.len()).sum();
    assert_eq!(proxy.traffic().response_bytes, sent as u64);
}

#[test]
fn stop_reading_fills_the_window_of_the_client() {
    let (proxy, _upstream) = proxy();
    let mut stream = connect(&proxy);
    exchange(&mut stream);
    proxy.set(Fault::StopReading);
    stream.set_nonblocking(true).unwrap();
    let chunk = vec![0; 1 << 20];
    let full = (0..1000).find_map(|_| stream.write(&chunk).err()).unwrap();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    // At most the chunk that was being read when the fault was set is relayed.
    assert!(proxy.traffic().request_bytes <= (REQUEST.len() + (16 << 10)) as u64);
}

#[test]
fn stop_reading_still_relays_responses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).unwrap();
    proxy.set(Fault::StopReading);
    let mut client = connect(&proxy);
    client.write_all(REQUEST).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(RESPONSE).unwrap();
    let mut response = [0; RESPONSE.len()];
    client.read_exact(&mut response).unwrap();
    assert_eq!((&response[..], proxy.traffic().request_bytes), (RESPONSE, 0));
}

#[test]
fn corrupt_response_inverts_the_response_only() {
    let (proxy, upstream) = proxy();
    proxy.set(Fault::CorruptResponse);
    let mut stream = connect(&proxy);
    assert_eq!(exchange(&mut stream).map(|byte| !byte), RESPONSE);
    drop(stream);
    assert_eq!(upstream.received.recv().unwrap(), REQUEST);
}

#[test]
fn reset_open_connections_does_not_reset_new_ones() {
    let (proxy, _upstream) = proxy();
    let mut open = connect(&proxy);
    exchange(&mut open);
    proxy.reset_open_connections();
    assert!(read_to_the_end(&mut open).1);
    assert_eq!(exchange(&mut connect(&proxy)), RESPONSE);
}

#[test]
fn a_closed_upstream_resets_the_client_but_does_not_count_as_a_reset() {
    let closed = ClosedPort::new().unwrap();
    let proxy = FaultProxy::start(closed.address().unwrap()).unwrap();
    assert_eq!(request(&proxy), (Vec::new(), true));
    assert!(proxy.wait_timeout(PATIENCE, |traffic| traffic.closed == 1));
    assert_eq!(proxy.traffic().resets, 0);
}

#[test]
fn drop_closes_all_connections_and_the_listener() {
    let (proxy, upstream) = proxy();
    let mut open = connect(&proxy);
    exchange(&mut open);
    let address = proxy.address();
    drop(proxy);
    assert!(read_to_the_end(&mut open).0.is_empty());
    assert_eq!(upstream.received.recv().unwrap(), REQUEST);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn wait_timeout_returns_false_after_its_timeout() {
    let (proxy, _upstream) = proxy();
    assert!(!proxy.wait_timeout(Duration::from_millis(1), |traffic| traffic.connections > 0));
}
