//! The resident memory of the process while clients send as much as they can, and then nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use spanwise_testkit::rerun;
use support::raw::*;

const MIB: usize = 1 << 20;
const CONNECTIONS: usize = 200;
const MEMORY: usize = 24 * MIB;
const BODY: usize = 4 * MIB;

/// Resident bytes of the process, as the kernel reports them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// The bytes of a client: an opening, then repeated units. The arguments are the largest frame that the
/// receiver accepts.
struct Load {
    name: &'static str,
    is_http2: bool,
    opening: fn(usize) -> Vec<u8>,
    unit: fn(usize) -> Vec<u8>,
    /// Bytes at the end of the last unit that are never sent.
    missing: usize,
    rounds: usize,
}

fn streams(count: u32) -> Vec<u8> {
    let headers = (0..count).map(|n| frame(HEADERS, END_HEADERS, 1 + 2 * n, &grpc_head()));
    [preface(), headers.collect::<Vec<_>>().concat()].concat()
}

/// Writes to all sockets until none accepts more for a while; returns the largest resident size.
fn press(receiver: &Receiver, load: &Load) -> usize {
    let mut units: HashMap<usize, Rc<Vec<u8>>> = HashMap::new();
    let mut clients: Vec<(TcpStream, Rc<Vec<u8>>, usize)> = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(receiver);
        let mut max = 0;
        let mut opening = (load.opening)(max);
        if load.is_http2 {
            let rest = opening.split_off(preface().len());
            stream.write_all(&opening).unwrap();
            max = max_frame(&mut stream);
            stream.write_all(&frame(SETTINGS, ACK, 0, &[])).unwrap();
            opening = rest;
        }
        stream.write_all(&opening).unwrap();
        stream.set_nonblocking(true).unwrap();
        // All clients share the bytes of the test, to use little memory.
        let unit = units.entry(max).or_insert_with(|| Rc::new((load.unit)(max)));
        clients.push((stream, Rc::clone(unit), 0));
    }
    let mut largest = resident();
    let mut quiet = Instant::now();
    let start = Instant::now();
    while quiet.elapsed() < Duration::from_millis(700) && start.elapsed() < PATIENCE {
        for (stream, unit, sent) in &mut clients {
            let all = unit.len() * load.rounds - load.missing;
            while *sent < all {
                let from = *sent % unit.len();
                let piece = &unit[from..(from + 64 * 1024).min(unit.len()).min(from + all - *sent)];
                match stream.write(piece) {
                    Ok(len) => {
                        *sent += len;
                        quiet = Instant::now();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // Rejected or evicted: this client sends no more.
                    Err(_) => *sent = usize::MAX,
                }
            }
            largest = largest.max(resident());
        }
        largest = largest.max(resident());
        std::thread::sleep(Duration::from_millis(1));
    }
    largest
}

#[test]
fn the_process_grows_by_no_more_than_its_limits() {
    let loads = [
        Load {
            name: "HTTP/1 bodies without their last byte",
            is_http2: false,
            opening: |_| head(&format!("content-length: {BODY}\r\n\r\n")).into_bytes(),
            unit: |_| vec![0; BODY],
            missing: 1,
            rounds: 1,
        },
        Load {
            name: "HTTP/1 in chunks",
            is_http2: false,
            opening: |_| head("transfer-encoding: chunked\r\n\r\n").into_bytes(),
            unit: |_| [b"10000\r\n".as_slice(), &[0; 1 << 16], b"\r\n"].concat(),
            missing: 3,
            rounds: 60,
        },
        Load {
            name: "HTTP/2 frames without their last byte",
            is_http2: true,
            opening: |_| streams(1),
            unit: |max| frame(DATA, 0, 1, &vec![0; max]),
            missing: 1,
            rounds: 1,
        },
        Load {
            name: "HTTP/2 bodies of many streams",
            is_http2: true,
            opening: |_| streams(100),
            unit: |_| {
                // A message of 4 MiB on each stream, of which 16 KiB come at a time.
                let part = |n: u32| {
                    frame(DATA, 0, 1 + 2 * n, &[&[0, 0, 0x40, 0, 0], &[0; 16_000][..]].concat())
                };
                (0..100).flat_map(part).collect()
            },
            missing: 1,
            rounds: 5,
        },
        Load {
            name: "HTTP/2 streams with large headers",
            is_http2: true,
            opening: |_| preface(),
            unit: |_| {
                let large = block(&[("x", &"y".repeat(120))]).repeat(90);
                let head = [grpc_head(), large].concat();
                (0..100).flat_map(|n| frame(HEADERS, END_HEADERS, 1 + 2 * n, &head)).collect()
            },
            missing: 1,
            rounds: 1,
        },
    ];
    // A process for each load, because memory that the allocator retains would hide the next.
    let only = std::env::var(ONLY).ok();
    for load in &loads {
        match &only {
            Some(name) if name == load.name => check(load),
            Some(_) => {}
            None => {
                let mut process = rerun("the_process_grows_by_no_more_than_its_limits");
                let status = process.env(ONLY, load.name).status().unwrap();
                assert!(status.success(), "{}", load.name);
            }
        }
    }
}

fn check(load: &Load) {
    let limits = Limits::default()
        .with_memory_bytes(MEMORY)
        .with_body_bytes(BODY)
        .with_connections(CONNECTIONS);
    // The formula of `Limits::with_memory_bytes`, and some MiB for the test's own bytes.
    let max = MEMORY + CONNECTIONS * (128 << 10) + BODY + 6 * MIB;
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let before = resident();
    let grown = press(&receiver, load).saturating_sub(before);
    let stats = receiver.stats();
    println!("{}: {} KiB of {} KiB, {stats:?}", load.name, grown >> 10, max >> 10);
    assert!(grown <= max, "{}: {grown} bytes, at most {max}", load.name);
    assert!(
        stats.bytes_in_memory + stats.buffer_bytes + stats.cached_bytes <= MEMORY as u64,
        "{stats:?}"
    );
}

#[test]
fn exports_that_wait_for_the_handler_count_after_their_clients_have_closed() {
    const LIMIT: usize = MIB;
    const CLIENTS: u64 = 300;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (wait, calls) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let handler = move |_| {
        counted.fetch_add(1, SeqCst);
        _ = wait.lock().unwrap().recv();
        Answer::Accept
    };
    let limits = Limits::default().with_memory_bytes(LIMIT);
    let receiver = Receiver::builder().with_limits(limits).with_handler(handler).start().unwrap();
    let value = "y".repeat(13_000);
    let export = head(&format!("x: {value}\r\ncontent-length: 0\r\n\r\n"));
    let wait_for = |what: &str, done: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", receiver.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for client in 1..=CLIENTS {
        let mut stream = connect(&receiver);
        stream.write_all(export.as_bytes()).unwrap();
        // The receiver queues or rejects the request in the poll that counts it.
        wait_for("a request", &|| receiver.stats().requests == client);
    }
    let held = receiver.stats().bytes_in_memory;
    // The memory beside the values is less than the values themselves.
    assert!(held as usize > LIMIT / 2, "{held}");
    drop(release);
    wait_for("the end", &|| receiver.stats().bytes_in_memory == 0);
    let calls = calls.load(SeqCst);
    assert!(calls > 1 && calls * value.len() <= LIMIT, "{calls} exports of {}", value.len());
}

const ONLY: &str = "SPANWISE_TEST_SCRIPT";
