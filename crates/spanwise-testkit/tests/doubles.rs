//! Processes, forks, panic payloads and peers that other crates' tests share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use spanwise_testkit::{Peer, SplitMix64, in_own_process, rerun};

#[test]
fn the_body_runs_in_another_process_only() {
    let parent = std::env::var("DOUBLES_PARENT").ok();
    if parent.is_none() {
        let status = rerun("the_body_runs_in_another_process_only")
            .env("DOUBLES_PARENT", std::process::id().to_string())
            .status();
        assert!(status.unwrap().success());
    }
    in_own_process("the_body_runs_in_another_process_only", || {
        let parent = std::env::var("DOUBLES_PARENT").unwrap_or_default();
        assert_ne!(std::process::id().to_string(), parent);
    });
}

#[test]
#[should_panic(expected = "a_failure_in_the_other_process_fails_the_test")]
fn a_failure_in_the_other_process_fails_the_test() {
    in_own_process("a_failure_in_the_other_process_fails_the_test", || std::process::exit(3));
}

#[test]
#[should_panic(expected = "a_missing_test: this test binary has no test of this name")]
fn the_name_of_no_test_fails_the_test() {
    in_own_process("a_missing_test", || ());
}

#[test]
#[should_panic(expected = "the_name_of_no: this test binary has no test of this name")]
fn a_part_of_a_name_is_not_run_again() {
    rerun("the_name_of_no");
}

#[test]
#[ignore = "the test below runs it"]
fn an_ignored_test() {
    println!("the ignored test runs");
}

#[test]
fn an_ignored_test_is_run_again() {
    let output = rerun("an_ignored_test").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("the ignored test runs"));
}

#[cfg(unix)]
#[test]
fn a_forked_child_returns_its_bytes_and_a_panic_fails_the_parent() {
    use spanwise_testkit::in_forked_child;
    // A panic of another test at the fork would leave its locks held in the child.
    in_own_process("a_forked_child_returns_its_bytes_and_a_panic_fails_the_parent", || {
        let parent = std::process::id();
        let output = in_forked_child(|out| write!(out, "{}", std::process::id()).unwrap());
        let child: u32 = String::from_utf8(output).unwrap().parse().unwrap();
        assert_ne!(child, parent);
        let failed = std::panic::catch_unwind(|| in_forked_child(|_| panic!("on purpose")));
        assert!(failed.is_err());
    });
}

#[test]
fn a_dropped_peer_refuses_connections() {
    // A child that another test forks would hold the listener open.
    in_own_process("a_dropped_peer_refuses_connections", || {
        let peer = Peer::start(|mut stream| {
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                stream.write_all(&[!byte[0]]).unwrap();
            }
        })
        .unwrap();
        let address = peer.address();
        assert_eq!(peer.endpoint(), format!("http://{address}"));
        let mut clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        for client in &mut clients {
            client.write_all(&[7]).unwrap();
            let mut answer = [0];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [!7]);
        }
        drop(peer);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn random_numbers_are_within_their_range() {
    let mut random = SplitMix64::new(7);
    for _ in 0..10_000 {
        let number = random.next_f64();
        assert!(number > 0.0 && number <= 1.0, "{number}");
        assert!(random.below(10) < 10);
    }
    assert_eq!(random.below(0), 0);
}
