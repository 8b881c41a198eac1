//! A process of its own for each test: what it counts and forks belongs to all threads.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]

mod support;

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use support::raw::*;
use support::*;

const ONLY: &str = "SPANWISE_TEST_PROCESS";

/// Runs `test` alone in a process of its own, whose success it asserts.
fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var(ONLY).as_deref() == Ok(name) {
        return test();
    }
    let exe = std::env::current_exe().unwrap();
    let status = Command::new(exe)
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(ONLY, name)
        .status()
        .unwrap();
    assert!(status.success(), "{name}: {status}");
}

fn exports(receiver: &Receiver) {
    let body = request(1, "x").1;
    let head = head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    let heard = exchange(receiver, &[head.as_bytes(), &body].concat());
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
}

fn open() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn threads_and_descriptors_are_given_back() {
    alone("threads_and_descriptors_are_given_back", || {
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
        // A drop hands over: what it leaves is gone a little later.
        let start = Instant::now();
        while open() != before {
            assert!(start.elapsed() < PATIENCE, "{:?}, and {before:?} before", open());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn a_client_that_leaves_raises_no_signal() {
    alone("a_client_that_leaves_raises_no_signal", || {
        // As in a C program; Rust's runtime ignores it otherwise.
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
        // Masked in this thread only while the test's own client writes.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        exports(&receiver);
    });
}

#[test]
fn a_forked_child_neither_waits_nor_stops_its_parent() {
    alone("a_forked_child_neither_waits_nor_stops_its_parent", || {
        for shuts_down in [true, false] {
            let limits = Limits::default().with_shutdown_timeout(Duration::from_secs(3600));
            let receiver = Receiver::builder().with_limits(limits).start().unwrap();
            exports(&receiver);
            // SAFETY: the child drops one value and ends without unwinding or exit handlers.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // A child that waits is ended by this alarm.
                unsafe { libc::alarm(10) };
                if shuts_down {
                    receiver.shutdown()
                } else {
                    drop(receiver)
                }
                unsafe { libc::_exit(7) };
            }
            let mut status = 0;
            // SAFETY: `status` is ours, and the child is not waited for elsewhere.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
            exports(&receiver);
            drop(receiver);
        }
    });
}

/// Counts every span and event, and is interested in all.
struct Everything;

static SEEN: AtomicU64 = AtomicU64::new(0);

impl tracing::Subscriber for Everything {
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
fn nothing_that_it_does_is_traced() {
    alone("nothing_that_it_does_is_traced", || {
        tracing::subscriber::set_global_default(Everything).unwrap();
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
