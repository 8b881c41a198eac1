//! What the process really holds while clients send as much as they can, and then nothing.
//!
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use support::raw::*;

const MIB: usize = 1 << 20;
const CONNECTIONS: usize = 200;
const MEMORY: usize = 24 * MIB;
const BODY: usize = 4 * MIB;

/// Bytes of the process in memory, as the kernel counts them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// What a client says first, given the largest frame that the receiver takes, and then for ever.
struct Script {
    name: &'static str,
    is_http2: bool,
    opening: fn(usize) -> Vec<u8>,
    unit: fn(usize) -> Vec<u8>,
    /// Ends of units that are never sent.
    missing: usize,
    rounds: usize,
}

fn streams(count: u32) -> Vec<u8> {
    let heads = (0..count).map(|n| frame(HEADERS, END_HEADERS, 1 + 2 * n, &grpc_head()));
    [preface(), heads.collect::<Vec<_>>().concat()].concat()
}

/// Pushes bytes into all sockets until none takes more for a while; the largest size meanwhile.
fn press(receiver: &Receiver, script: &Script) -> usize {
    let mut units: HashMap<usize, Rc<Vec<u8>>> = HashMap::new();
    let mut clients: Vec<(TcpStream, Rc<Vec<u8>>, usize)> = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(receiver);
        let mut max = 0;
        let mut opening = (script.opening)(max);
        if script.is_http2 {
            let rest = opening.split_off(preface().len());
            stream.write_all(&opening).unwrap();
            max = max_frame(&mut stream);
            stream.write_all(&frame(SETTINGS, ACK, 0, &[])).unwrap();
            opening = rest;
        }
        stream.write_all(&opening).unwrap();
        stream.set_nonblocking(true).unwrap();
        // The bytes of the test are its own to hold, so all clients share them.
        let unit = units.entry(max).or_insert_with(|| Rc::new((script.unit)(max)));
        clients.push((stream, Rc::clone(unit), 0));
    }
    let mut largest = resident();
    let mut quiet = Instant::now();
    let start = Instant::now();
    while quiet.elapsed() < Duration::from_millis(700) && start.elapsed() < PATIENCE {
        for (stream, unit, sent) in &mut clients {
            let all = unit.len() * script.rounds - script.missing;
            while *sent < all {
                let from = *sent % unit.len();
                let piece = &unit[from..(from + 64 * 1024).min(unit.len()).min(from + all - *sent)];
                match stream.write(piece) {
                    Ok(len) => {
                        *sent += len;
                        quiet = Instant::now();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // Refused or evicted: that client has had its share.
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
fn the_process_grows_by_no_more_than_the_limits_say() {
    let scripts = [
        Script {
            name: "HTTP/1 bodies without their last byte",
            is_http2: false,
            opening: |_| head(&format!("content-length: {BODY}\r\n\r\n")).into_bytes(),
            unit: |_| vec![0; BODY],
            missing: 1,
            rounds: 1,
        },
        Script {
            name: "HTTP/1 in chunks",
            is_http2: false,
            opening: |_| head("transfer-encoding: chunked\r\n\r\n").into_bytes(),
            unit: |_| [b"10000\r\n".as_slice(), &[0; 1 << 16], b"\r\n"].concat(),
            missing: 3,
            rounds: 60,
        },
        Script {
            name: "HTTP/2 frames without their last byte",
            is_http2: true,
            opening: |_| streams(1),
            unit: |max| frame(DATA, 0, 1, &vec![0; max]),
            missing: 1,
            rounds: 1,
        },
        Script {
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
        Script {
            name: "HTTP/2 streams with large heads",
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
    // A process for each: what the allocator keeps of one would hide another.
    let only = std::env::var(ONLY).ok();
    for script in &scripts {
        match &only {
            Some(name) if name == script.name => check(script),
            Some(_) => {}
            None => {
                let test =
                    ["the_process_grows_by_no_more_than_the_limits_say", "--exact", "--nocapture"];
                let exe = std::env::current_exe().unwrap();
                let status = Command::new(exe).args(test).env(ONLY, script.name).status().unwrap();
                assert!(status.success(), "{}", script.name);
            }
        }
    }
}

fn check(script: &Script) {
    let limits = Limits::default()
        .with_memory_bytes(MEMORY)
        .with_body_bytes(BODY)
        .with_connections(CONNECTIONS);
    // The formula of `Limits::memory_bytes`, and something for the test's own bytes.
    let most = MEMORY + CONNECTIONS * (128 << 10) + BODY + 6 * MIB;
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let before = resident();
    let grown = press(&receiver, script).saturating_sub(before);
    let stats = receiver.stats();
    println!("{}: {} KiB of {} KiB, {stats:?}", script.name, grown >> 10, most >> 10);
    assert!(grown <= most, "{}: {grown} bytes, at most {most}", script.name);
    assert!(stats.bytes_in_memory + stats.buffer_bytes <= MEMORY as u64, "{stats:?}");
}

#[test]
fn exports_that_wait_for_the_handler_are_counted_when_their_clients_are_gone() {
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
        // Handed over or refused in the turn in which it is counted.
        wait_for("a request", &|| receiver.stats().requests == client);
    }
    let held = receiver.stats().bytes_in_memory;
    // Whatever is held beside the values is less than that again.
    assert!(held as usize > LIMIT / 2, "{held}");
    drop(release);
    wait_for("the end", &|| receiver.stats().bytes_in_memory == 0);
    let calls = calls.load(SeqCst);
    assert!(calls > 1 && calls * value.len() <= LIMIT, "{calls} exports of {}", value.len());
}

const ONLY: &str = "SPANWISE_TEST_SCRIPT";
