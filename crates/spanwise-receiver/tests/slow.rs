//! Clients that hold much and send little, beside others that work.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Limits, Receiver};
use support::raw::*;
use support::*;

const MIB: usize = 1 << 20;

/// Sends a byte now and then on all `streams`, far above the least pace, until told to stop.
fn drip(mut streams: Vec<TcpStream>, bytes: &[u8], stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        for stream in &mut streams {
            _ = stream.write_all(bytes);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_until(receiver: &Receiver, done: impl Fn(&spanwise_receiver::Stats) -> bool) {
    let start = Instant::now();
    while !done(&receiver.stats()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A good client sends 60 exports of 1 MiB, once the slow ones are known to be slow.
async fn all_are_served(receiver: &Receiver) {
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut http1 = Http1::connect(receiver).await;
    let mut http2 = Http2::connect(receiver).await;
    let (_, bytes) = request(20_000, "0123456789 0123456789");
    assert!(bytes.len() > MIB);
    for round in 0..30 {
        assert_eq!(http1.post(bytes.clone()).await.status, 200, "round {round}");
        let answer = http2.export(&bytes).await;
        assert_eq!(answer.grpc("grpc-status"), Some("0"), "round {round}");
    }
}

/// Tells a thread to stop, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn beside(receiver: &Receiver, slow: Vec<TcpStream>, bytes: &[u8]) {
    let stop = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drip(slow, bytes, &stop));
        let _stop = Stop(&stop);
        runtime.block_on(all_are_served(receiver));
    });
}

#[test]
fn slow_bodies_do_not_shut_out_the_others() {
    // Four bodies of 15 MiB, their read buffers, and half a MiB.
    let limits = Limits::default().memory_bytes(61 * MIB + MIB / 2);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(&receiver);
            let length = head(&format!("content-length: {}\r\n\r\n", 16 * MIB));
            stream.write_all(length.as_bytes()).unwrap();
            stream.write_all(&vec![0; 15 * MIB]).unwrap();
            stream
        })
        .collect();
    // Nearly all the memory is theirs.
    wait_until(&receiver, |stats| stats.bytes_in_memory >= 60 * MIB as u64 - 4096);
    beside(&receiver, slow, &[0; 14]);
    let stats = receiver.stats();
    assert!(stats.evicted_requests >= 1, "{stats:?}");
}

#[test]
fn slow_streams_of_http2_do_not_shut_out_the_others() {
    let receiver = Receiver::builder().start().unwrap();
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(&receiver);
            let prefix = [&[0][..], &(16 * MIB as u32).to_be_bytes()].concat();
            stream.write_all(&preface()).unwrap();
            assert!(max_frame(&mut stream) > 16_000);
            let mut frames = frame(SETTINGS, ACK, 0, &[]);
            frames.extend(frame(HEADERS, END_HEADERS, 1, &grpc_head()));
            frames.extend(frame(DATA, 0, 1, &prefix));
            // Less than the window: nothing has to be read from the receiver.
            frames.extend(frame(DATA, 0, 1, &[0; 16_000]).repeat(500));
            stream.write_all(&frames).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.bytes_in_memory >= 30 * MIB as u64);
    beside(&receiver, slow, &frame(DATA, 0, 1, &[0; 64]));
    assert_eq!(receiver.stats().flood_connections, 0);
}

#[test]
fn claims_take_nothing_from_others() {
    // Each says that 16 MiB are coming, and sends a few bytes of it.
    let receiver =
        Receiver::builder().with_limits(Limits::default().memory_bytes(32 * MIB)).start().unwrap();
    let claim = head(&format!("content-length: {}\r\n\r\nxx", 16 * MIB));
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = connect(&receiver);
            stream.write_all(claim.as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.requests == 200);
    assert!(receiver.stats().bytes_in_memory <= 200 * 64 * 1024);
    beside(&receiver, slow, &[0; 14]);
}

#[test]
fn a_full_house_of_idlers_lets_a_client_in() {
    let receiver =
        Receiver::builder().with_limits(Limits::default().connections(20)).start().unwrap();
    // Nothing said, a head without end, a body without end.
    let openings = [String::new(), head("x: "), head("content-length: 1000000\r\n\r\nxx")];
    let slow: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = connect(&receiver);
            stream.write_all(openings[n % 3].as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.connections == 20);
    std::thread::sleep(Duration::from_millis(1100));
    beside(&receiver, slow, &[b'0'; 14]);
    let stats = receiver.stats();
    assert!(stats.evicted_connections >= 2, "{stats:?}");
    assert_eq!(stats.refused_connections, 0);
}
