//! Clients that hold much and send little, beside others that work.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Collected, Limits, Receiver};
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
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_memory_bytes(32 * MIB))
        .start()
        .unwrap();
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
        Receiver::builder().with_limits(Limits::default().with_connections(20)).start().unwrap();
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

#[test]
fn heads_whose_bodies_never_come_do_not_shut_out_the_others() {
    // Each head takes some 118 KiB, and all of them more than there is.
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
fn refusals_for_want_of_memory_give_nothing_to_who_brings_no_body() {
    let receiver =
        Receiver::builder().with_limits(Limits::default().with_memory_bytes(1000)).start().unwrap();
    let mut stream = connect(&receiver);
    stream.write_all(&preface()).unwrap();
    max_frame(&mut stream);
    let mut heads = frame(SETTINGS, ACK, 0, &[]);
    let start = Instant::now();
    let mut next = 1;
    // A few at once, each answered before the next few.
    'open: loop {
        for _ in 0..4 {
            heads.extend(frame(HEADERS, END_HEADERS, next, &large_head()));
            next += 2;
        }
        stream.write_all(&heads).unwrap();
        heads.clear();
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
fn nobody_makes_room_for_what_will_never_fit() {
    // With a body on its way, a head comes that takes more than all the memory.
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_memory_bytes(32 << 10))
        .start()
        .unwrap();
    let (_, bytes) = request(650, "0123456789");
    assert!(bytes.len() > 24 << 10 && bytes.len() < 32 << 10);
    let mut slow = connect(&receiver);
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
    let (most, last) = bytes.split_at(bytes.len() - 1);
    slow.write_all(&[head(&length).as_bytes(), most].concat()).unwrap();
    wait_until(&receiver, |stats| stats.bytes_in_memory as usize >= most.len());
    std::thread::sleep(Duration::from_millis(600));
    let many = format!("x: {}\r\n", "y".repeat(110)).repeat(90);
    let heard = exchange(&receiver, head(&format!("connection: close\r\n{many}\r\n")).as_bytes());
    assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
    slow.write_all(last).unwrap();
    assert!(until_closed(slow).starts_with("HTTP/1.1 200"), "{:?}", receiver.stats());
    assert_eq!(receiver.stats().evicted_requests, 0);
}

#[test]
fn a_body_of_millions_of_spans_does_not_stop_the_others() {
    // Eight million spans of two bytes, in one scope of one group.
    let spans = b"\x12\0".repeat(8_000_000);
    let scope = [&[0x12, 0x80, 0xc8, 0xd0, 0x07][..], &spans].concat();
    let large = [&[0x0a, 0x85, 0xc8, 0xd0, 0x07][..], &scope].concat();
    let (_, small) = request(1, "x");
    let small_export =
        [head(&format!("content-length: {}\r\n\r\n", small.len())).as_bytes(), &small].concat();
    // Should this thread itself be stopped in between, another round tells.
    let overtook = (0..5).any(|_| {
        // So little that a body is charged as it comes.
        let limits = Limits::default().with_memory_bytes(32 * MIB);
        let collected = Collected::new(64 * MIB);
        let receiver = Receiver::builder()
            .with_limits(limits)
            .with_handler(collected.handler())
            .start()
            .unwrap();
        let (mut counted, mut other) = (connect(&receiver), connect(&receiver));
        let length = head(&format!("content-length: {}\r\n\r\n", large.len()));
        let (most, last) = large.split_at(large.len() - 1);
        counted.write_all(&[length.as_bytes(), most].concat()).unwrap();
        wait_until(&receiver, |stats| stats.bytes_in_memory as usize >= most.len());
        // While these are answered, what is left in the socket is read.
        for _ in 0..20 {
            let heard =
                exchange(&receiver, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            assert!(heard.starts_with("HTTP/1.1 404"), "{heard}");
        }
        counted.write_all(last).unwrap();
        other.write_all(&small_export).unwrap();
        assert!(collected.wait_for_spans(8_000_001, PATIENCE));
        collected.bodies()[0] == small
    });
    assert!(overtook, "every small export waited for a large one to be counted");
}

#[test]
fn under_churn_a_slow_upload_outlives_idle_connections() {
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_connections(4).with_body_rate(0))
        .start()
        .unwrap();
    let (_, bytes) = request(100, "0123456789");
    let mut upload = connect(&receiver);
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
    upload.write_all(head(&length).as_bytes()).unwrap();
    wait_until(&receiver, |stats| stats.requests == 1);
    // It is the oldest. Others come and say nothing, each in the place of an earlier one.
    let mut idle = Vec::new();
    let start = Instant::now();
    let mut rest = bytes.chunks(bytes.len() / 20);
    while receiver.stats().evicted_connections < 3 {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        idle.push(connect(&receiver));
        if let Some(piece) = rest.next() {
            // It would be an error after an eviction.
            upload.write_all(piece).unwrap();
        }
        // The oldest of three is older then than the second that every newcomer has.
        std::thread::sleep(Duration::from_millis(500));
    }
    for piece in rest {
        upload.write_all(piece).unwrap();
    }
    let heard = until_closed(upload);
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard} {:?}", receiver.stats());
}
