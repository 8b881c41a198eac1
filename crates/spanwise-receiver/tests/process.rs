//! A process of its own for each test, because threads, descriptors and forks concern the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use spanwise_testkit::{in_forked_child, in_own_process};
use support::raw::*;
use support::*;

fn exports(receiver: &Receiver) {
    let body = request(1, "x").1;
    let head = head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    let response = exchange(receiver, &[head.as_bytes(), &body].concat());
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

fn open() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn threads_and_descriptors_are_returned() {
    in_own_process("threads_and_descriptors_are_returned", || {
        let receivers = |is_dropped: bool| {
            let receiver = Receiver::builder().with_handler(|_| Answer::Accept).start().unwrap();
            exports(&receiver);
            let _open = connect(&receiver);
            if is_dropped { drop(receiver) } else { receiver.shutdown() }
        };
        receivers(false);
        let before = open();
        for round in 0..40 {
            receivers(round % 2 == 0);
        }
        // A drop does not wait: the thread ends a little later.
        let start = Instant::now();
        while open() != before {
            assert!(start.elapsed() < PATIENCE, "{:?}, and {before:?} before", open());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn a_client_that_closes_raises_no_signal() {
    in_own_process("a_client_that_closes_raises_no_signal", || {
        // The default of a C program; Rust's runtime ignores the signal otherwise.
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let receiver = Receiver::builder()
            .with_handler(|_| Answer::Accept.after(Duration::from_millis(2)))
            .start()
            .unwrap();
        let body = request(1, "x").1;
        let length = format!("content-length: {}\r\n\r\n", body.len());
        let http1 = [head(&length).as_bytes(), &body].concat().repeat(20);
        let mut http2 = preface();
        http2.extend((0..20).flat_map(|n| grpc_export(1 + 2 * n, &body)));
        for round in 0..100 {
            let mut stream = connect(&receiver);
            stream.write_all(if round % 2 == 0 { &http1 } else { &http2 }).unwrap();
            // With unread answers, closing is a reset; the next write fails.
            drop(stream);
        }
        let start = Instant::now();
        while receiver.stats().spans < 100 && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        // Ignored here only for the writes of the test's own client.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        exports(&receiver);
    });
}

#[test]
fn a_forked_child_neither_waits_nor_stops_its_parent() {
    in_own_process("a_forked_child_neither_waits_nor_stops_its_parent", || {
        for shuts_down in [true, false] {
            let limits = Limits::default().with_shutdown_timeout(Duration::from_secs(3600));
            let receiver = Receiver::builder().with_limits(limits).start().unwrap();
            exports(&receiver);
            let mut receiver = Some(receiver);
            // A child that waits for the shutdown timeout fails the test by its alarm.
            let written = in_forked_child(|out| {
                let receiver = receiver.take().unwrap();
                if shuts_down {
                    receiver.shutdown()
                } else {
                    drop(receiver)
                }
                out.write_all(b"stopped").unwrap();
            });
            assert_eq!(written, b"stopped");
            // The parent has its own copy of the receiver.
            exports(receiver.as_ref().unwrap());
        }
    });
}

/// A subscriber that counts every span and event.
struct CountingSubscriber;

static SEEN: AtomicU64 = AtomicU64::new(0);

impl tracing::Subscriber for CountingSubscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(SEEN.fetch_add(1, SeqCst) + 1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        SEEN.fetch_add(1, SeqCst);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_receiver_emits_no_span_and_no_event() {
    in_own_process("the_receiver_emits_no_span_and_no_event", || {
        tracing::subscriber::set_global_default(CountingSubscriber).unwrap();
        tracing::info!("the subscriber works");
        assert_eq!(SEEN.load(SeqCst), 1);
        let receiver = Receiver::builder().with_handler(|_| Answer::Accept).start().unwrap();
        exports(&receiver);
        let mut stream = connect(&receiver);
        stream.write_all(&preface()).unwrap();
        max_frame(&mut stream);
        stream.write_all(&grpc_export(1, &request(1, "x").1)).unwrap();
        while receiver.stats().spans < 2 {
            std::thread::yield_now();
        }
        receiver.shutdown();
        assert_eq!(SEEN.load(SeqCst), 1);
    });
}
