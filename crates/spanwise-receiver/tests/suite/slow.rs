//! Clients that hold much memory and send little, beside clients that export.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Collected, Limits, Receiver};
use support::raw::*;
use support::*;

const MIB: usize = 1 << 20;

/// Sends some bytes on all `streams` at intervals, far above the minimum rate, until `stop`.
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

/// Sends 60 exports of 1 MiB with a good client, once the slow clients count as slow.
async fn good_exports_succeed(receiver: &Receiver) {
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

fn export_beside(receiver: &Receiver, slow: Vec<TcpStream>, bytes: &[u8]) {
    let stop = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drip(slow, bytes, &stop));
        let _stop = Stop(&stop);
        runtime.block_on(good_exports_succeed(receiver));
    });
}

#[test]
fn slow_bodies_do_not_lock_out_other_clients() {
    // Four bodies of 15 MiB, their read buffers, and half a MiB.
    let limits = Limits::default().with_memory_bytes(61 * MIB + MIB / 2);
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
    // They hold nearly all the memory.
    wait_until(&receiver, |stats| stats.bytes_in_memory >= 60 * MIB as u64 - 4096);
    export_beside(&receiver, slow, &[0; 14]);
    let stats = receiver.stats();
    assert!(stats.evicted_requests >= 1, "{stats:?}");
}

#[test]
fn slow_http2_streams_do_not_lock_out_other_clients() {
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
            // Less than the window, so that the client need not read from the receiver.
            frames.extend(frame(DATA, 0, 1, &[0; 16_000]).repeat(500));
            stream.write_all(&frames).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.bytes_in_memory >= 30 * MIB as u64);
    export_beside(&receiver, slow, &frame(DATA, 0, 1, &[0; 64]));
    assert_eq!(receiver.stats().flood_connections, 0);
}

#[test]
fn declared_lengths_use_no_memory() {
    // Each client declares 16 MiB and sends a few bytes.
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_memory_bytes(32 * MIB))
        .start()
        .unwrap();
    let declaration = head(&format!("content-length: {}\r\n\r\nxx", 16 * MIB));
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = connect(&receiver);
            stream.write_all(declaration.as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.requests == 200);
    assert!(receiver.stats().bytes_in_memory <= 200 * 64 * 1024);
    export_beside(&receiver, slow, &[0; 14]);
}

#[test]
fn a_new_client_replaces_one_of_too_many_idle_connections() {
    let receiver =
        Receiver::builder().with_limits(Limits::default().with_connections(20)).start().unwrap();
    // No bytes, endless headers, an endless body.
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
    export_beside(&receiver, slow, &[b'0'; 14]);
    let stats = receiver.stats();
    assert!(stats.evicted_connections >= 2, "{stats:?}");
    assert_eq!(stats.refused_connections, 0);
}

#[test]
fn headers_without_a_body_do_not_lock_out_other_clients() {
    // Each block of headers uses some 118 KiB, and all together exceed the memory.
    let limits =
        Limits::default().with_memory_bytes(4 * MIB).with_frame_bytes(1 << 14).with_body_rate(0);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let _slow: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = connect(&receiver);
            stream.write_all(&preface()).unwrap();
            assert!(max_frame(&mut stream) > 16_000);
            let mut frames = frame(SETTINGS, ACK, 0, &[]);
            for n in 0..8 {
                frames.extend(frame(HEADERS, END_HEADERS, 1 + 2 * n, &large_head()));
            }
            stream.write_all(&frames).unwrap();
            stream
        })
        .collect();
    wait_until(&receiver, |stats| stats.requests == 64);
    assert!(receiver.stats().bytes_in_memory > 3 * MIB as u64, "{:?}", receiver.stats());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let mut client = Http1::connect(&receiver).await;
        let (_, bytes) = request(20_000, "0123456789 0123456789");
        for round in 0..10 {
            assert_eq!(client.post(bytes.clone()).await.status, 200, "round {round}");
        }
    });
    let stats = receiver.stats();
    assert!(stats.evicted_requests >= 1, "{stats:?}");
}

#[test]
fn overloads_refund_no_token_to_a_client_without_a_body() {
    let receiver =
        Receiver::builder().with_limits(Limits::default().with_memory_bytes(1000)).start().unwrap();
    let mut stream = connect(&receiver);
    stream.write_all(&preface()).unwrap();
    max_frame(&mut stream);
    let mut headers = frame(SETTINGS, ACK, 0, &[]);
    let start = Instant::now();
    let mut next = 1;
    // Four requests at once, each with its response before the next four.
    'open: loop {
        for _ in 0..4 {
            headers.extend(frame(HEADERS, END_HEADERS, next, &large_head()));
            next += 2;
        }
        stream.write_all(&headers).unwrap();
        headers.clear();
        let mut answered = 0;
        while answered < 4 {
            match read_frame(&mut stream) {
                (HEADERS, _, _) => answered += 1,
                (7, _, reason) => {
                    assert_eq!(reason[4..8], [0, 0, 0, 0xb], "ENHANCE_YOUR_CALM");
                    break 'open;
                }
                _ => {}
            }
        }
        assert!(start.elapsed() < PATIENCE, "never closed: {:?}", receiver.stats());
    }
    wait_until(&receiver, |stats| stats.flood_connections == 1);
}

#[test]
fn no_holder_is_evicted_for_a_request_that_never_fits() {
    // While a body arrives, another client sends headers that exceed the whole memory.
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_memory_bytes(32 << 10))
        .start()
        .unwrap();
    let (_, bytes) = request(650, "0123456789");
    assert!(bytes.len() > 24 << 10 && bytes.len() < 32 << 10);
    let mut slow = connect(&receiver);
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
    let (all_but_one, last) = bytes.split_at(bytes.len() - 1);
    slow.write_all(&[head(&length).as_bytes(), all_but_one].concat()).unwrap();
    wait_until(&receiver, |stats| stats.bytes_in_memory as usize >= all_but_one.len());
    std::thread::sleep(Duration::from_millis(600));
    let many = format!("x: {}\r\n", "y".repeat(110)).repeat(90);
    let response =
        exchange(&receiver, head(&format!("connection: close\r\n{many}\r\n")).as_bytes());
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    slow.write_all(last).unwrap();
    assert!(until_closed(slow).starts_with("HTTP/1.1 200"), "{:?}", receiver.stats());
    assert_eq!(receiver.stats().evicted_requests, 0);
}

#[test]
fn counting_millions_of_spans_does_not_block_other_clients() {
    // Eight million spans of two bytes, in one scope of one group.
    let spans = b"\x12\0".repeat(8_000_000);
    let scope = [&[0x12, 0x80, 0xc8, 0xd0, 0x07][..], &spans].concat();
    let large = [&[0x0a, 0x85, 0xc8, 0xd0, 0x07][..], &scope].concat();
    let (_, small) = request(1, "x");
    let small_export =
        [head(&format!("content-length: {}\r\n\r\n", small.len())).as_bytes(), &small].concat();
    // If the scheduler stops this thread in between, another round decides.
    let overtook = (0..5).any(|_| {
        // So little memory that a body is charged as it arrives.
        let limits = Limits::default().with_memory_bytes(32 * MIB);
        let collected = Collected::new(64 * MIB);
        let receiver = Receiver::builder()
            .with_limits(limits)
            .with_handler(collected.handler())
            .start()
            .unwrap();
        let (mut counted, mut other) = (connect(&receiver), connect(&receiver));
        let length = head(&format!("content-length: {}\r\n\r\n", large.len()));
        let (all_but_one, last) = large.split_at(large.len() - 1);
        counted.write_all(&[length.as_bytes(), all_but_one].concat()).unwrap();
        wait_until(&receiver, |stats| stats.bytes_in_memory as usize >= all_but_one.len());
        // Meanwhile, the receiver reads the remaining bytes of the socket.
        for _ in 0..20 {
            let response =
                exchange(&receiver, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            assert!(response.starts_with("HTTP/1.1 404"), "{response}");
        }
        counted.write_all(last).unwrap();
        other.write_all(&small_export).unwrap();
        assert!(collected.wait_for_spans(8_000_001, PATIENCE));
        collected.bodies()[0] == small
    });
    assert!(overtook, "every small export waited for a large one to be counted");
}

#[test]
fn idle_connections_are_evicted_before_a_slow_upload() {
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_connections(4).with_body_rate(0))
        .start()
        .unwrap();
    let (_, bytes) = request(100, "0123456789");
    let mut upload = connect(&receiver);
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
    upload.write_all(head(&length).as_bytes()).unwrap();
    wait_until(&receiver, |stats| stats.requests == 1);
    // It is the oldest connection. Idle ones follow, each in place of an earlier one.
    let mut idle = Vec::new();
    let start = Instant::now();
    let mut pieces = bytes.chunks(bytes.len() / 20);
    while receiver.stats().evicted_connections < 3 {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        idle.push(connect(&receiver));
        if let Some(piece) = pieces.next() {
            // The write fails after an eviction.
            upload.write_all(piece).unwrap();
        }
        // The oldest of three has then exceeded the second that every new connection has.
        std::thread::sleep(Duration::from_millis(500));
    }
    for piece in pieces {
        upload.write_all(piece).unwrap();
    }
    let response = until_closed(upload);
    assert!(response.starts_with("HTTP/1.1 200"), "{response} {:?}", receiver.stats());
}
