//! Clients that break rules.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod common;

use common::{PATIENCE, endpoint, exchange, get, provider};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Sends these bytes and expects this status.
fn check(bytes: &[u8], expected: &str) {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let answer = exchange(admin.local_addr(), bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{shown:?}: {answer:?}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    // The endpoint serves the next client.
    assert!(get(admin.local_addr(), "/metrics", "").0.starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn requests_that_break_a_rule_are_refused() {
    check(b"GET /metrics\r\n\r\n", "400 "); // HTTP/0.9
    check(b"GET /metrics HTTP/2.0\r\nHost: localhost\r\n\r\n", "505 ");
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 ");
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 "); // TLS
    check(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", "405 ");
    check(b"DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "405 ");
    check(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", "413 ");
    check(
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "413 ",
    );
    check(b"GET /metrics HTTP/1.1\r\n\r\n", "400 ");
    check(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400 ");
}

#[test]
fn names_of_other_sites_are_refused_in_host() {
    for host in ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example"] {
        let head = format!(
            "GET /debug/spanwise.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        check(head.as_bytes(), "421 ");
    }
}

#[test]
fn requests_that_pages_of_other_sites_make_are_refused_except_for_a_link_to_the_page() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let status = |path: &str, site: &str| {
        let (head, _) = get(admin.local_addr(), path, &format!("Sec-Fetch-Site: {site}\r\n"));
        head.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status("/debug/spanwise.json", "cross-site"), "403");
    assert_eq!(status("/metrics", "same-site"), "403");
    assert_eq!(status("/debug/spanwise", "cross-site"), "200");
    assert_eq!(status("/debug/spanwise.json", "same-origin"), "200");
    assert_eq!(status("/metrics", "none"), "200");
}

#[test]
fn headers_beyond_eight_kib_are_refused_before_they_end() {
    let mut huge = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    huge.resize(9 << 10, b'x');
    check(&huge, "431 ");
    let mut many = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    (0..3000).for_each(|_| many.extend_from_slice(b"A: b\r\n"));
    many.extend_from_slice(b"\r\n");
    check(&many, "431 ");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let one = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let two = "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /debug/spanwise.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin.local_addr(), format!("{one}{two}{last}{one}").as_bytes());
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    // The request after the last one gets no answer.
    assert_eq!(statuses, ["404", "200", "200"], "{answer}");
    assert!(answer.ends_with('}'), "{answer}");
}

#[test]
fn a_head_request_has_the_length_of_the_body_and_no_body() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let request = b"HEAD /debug/spanwise HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin.local_addr(), request);
    let (_, page) = get(admin.local_addr(), "/debug/spanwise", "");
    assert!(answer.contains(&format!("\r\nContent-Length: {}\r\n", page.len())), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn connections_beyond_sixteen_wait_for_one_that_ends() {
    // An idle connection is closed after 5 s: a machine that is as slow gets another try.
    let is_checked = (0..10).any(|_| checks_that_connections_wait(Duration::from_secs(3)));
    assert!(is_checked, "the machine is too slow for this test");
}

/// False if the check took longer than `limit`, and states nothing.
fn checks_that_connections_wait(limit: Duration) -> bool {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let began = Instant::now();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let connect = || {
        let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
        stream.write_all(request).unwrap();
        stream
    };
    let mut open: Vec<_> = (0..16).map(|_| connect()).collect();
    for stream in &mut open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(stream.read(&mut [0; 512]).unwrap() > 0);
    }
    let mut waiting = connect();
    waiting.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let answer = waiting.read(&mut [0; 512]);
    if began.elapsed() > limit {
        return false;
    }
    let kind = answer.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    drop(open.pop());
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(waiting.read(&mut [0; 512]).unwrap() > 0);
    true
}
