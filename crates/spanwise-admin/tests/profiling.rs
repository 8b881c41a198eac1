//! Profiles over raw sockets, with the sampling allocator.
#![cfg(all(feature = "profiling", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use spanwise_admin::{AdminEndpoint, AdminError};
use spanwise_profiling::SamplingAllocator;
use spanwise_sdk::{Bytes, Outcome, Spanwise};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system().with_rate(4096);

fn provider() -> Spanwise {
    let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    Spanwise::builder().with_environment(|_| None).with_sink(accept).build().unwrap()
}

/// Status line, head and body of the answer to a request.
fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap();
    (head.lines().next().unwrap().to_owned(), head, body)
}

fn get(address: SocketAddr, path: &str) -> (String, String, Vec<u8>) {
    ask(address, "GET", path)
}

/// One test: profiles come one at a time in a process.
#[test]
fn profiles_are_served_one_at_a_time() {
    let spanwise = provider();
    let builder = AdminEndpoint::builder().with_address("127.0.0.1:0").with_profiling(true);
    let admin = builder.build(&spanwise).unwrap();
    let address = admin.local_addr();
    let held = vec![1_u8; 8 << 20];

    for path in ["heap", "allocs", "threads", "profile?seconds=1"] {
        let (status, head, body) = get(address, &format!("/debug/pprof/{path}"));
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        assert!(head.contains("Content-Type: application/octet-stream\r\n"), "{head}");
        assert!(head.contains(".pb.gz\"\r\n"), "{head}");
        assert!(body.starts_with(&[0x1f, 0x8b]), "{path}");
    }
    let (_, head, body) = get(address, "/debug/pprof/heap?debug=1");
    assert!(head.contains("Content-Type: text/plain; charset=utf-8\r\n"), "{head}");
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("profiles_are_served_one_at_a_time"), "{text}");
    let (_, _, body) = get(address, "/debug/pprof/threads?debug=1");
    assert!(String::from_utf8(body).unwrap().contains("spanwise-admin"));
    let (_, _, body) = get(address, "/debug/pprof/");
    assert!(String::from_utf8(body).unwrap().contains("/debug/pprof/allocs"));

    // Neither starts a profile.
    let (status, _, body) = ask(address, "HEAD", "/debug/pprof/profile?seconds=60");
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", 0));
    for path in [
        "profile?seconds=0",
        "profile?seconds=61",
        "profile?seconds=x",
        "heap?seconds=1",
        "heap?debug=2",
    ] {
        let (status, _, body) = get(address, &format!("/debug/pprof/{path}"));
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{path}");
        assert!(String::from_utf8(body).unwrap().starts_with("accepted"));
    }

    // While a profile is taken, another one is refused, and other paths are served.
    let profile = std::thread::spawn(move || {
        // A list of threads is a profile, too, and may be the one before.
        loop {
            let answer = get(address, "/debug/pprof/profile?seconds=3");
            if !answer.0.contains("503") {
                break answer;
            }
        }
    });
    let (_, head, _) = loop {
        let answer = get(address, "/debug/pprof/threads");
        if answer.0.contains("503") {
            break answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(head.contains("Retry-After: 5\r\n"), "{head}");
    assert_eq!(get(address, "/metrics").0, "HTTP/1.1 200 OK");
    assert!(!profile.is_finished());
    assert_eq!(profile.join().unwrap().0, "HTTP/1.1 200 OK");
    assert_eq!(held.len(), 8 << 20);
}

#[test]
fn profiles_are_off_by_default_and_on_loopback_alone() {
    let spanwise = provider();
    let admin = AdminEndpoint::builder().with_address("127.0.0.1:0").build(&spanwise).unwrap();
    let (status, _, _) = get(admin.local_addr(), "/debug/pprof/threads");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    let builder = AdminEndpoint::builder().with_address("0.0.0.0:0");
    let builder = builder.with_non_loopback_address(true).with_profiling(true);
    let error = builder.build(&spanwise).unwrap_err();
    assert!(matches!(error, AdminError::Setting { setting: "with_profiling", .. }), "{error}");
}
