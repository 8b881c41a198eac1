//! A `FileSink` in a process whose files may not grow further (`RLIMIT_FSIZE`): SIGXFSZ would end the process.

#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use spanwise_testkit::rerun;
use spanwise_transport::{FileSink, Transport};

/// The path of the child's file.
const PATH: &str = "SPANWISE_FILE_SIZE_LIMIT_PATH";

#[test]
fn a_write_beyond_the_limit_is_a_failure_with_its_cause() {
    let name = format!("spanwise-file-size-limit-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let child = rerun("child").env(PATH, &path).output().unwrap();
    let output = String::from_utf8_lossy(&child.stderr);
    fs::remove_file(path).unwrap();
    assert_eq!(child.status.signal(), None, "{output}");
    assert_eq!(child.status.code(), Some(0), "{output}");
}

/// Does nothing unless it is the child.
#[test]
fn child() {
    let Ok(path) = std::env::var(PATH) else { return };
    let sink = FileSink::builder().with_path(path).build().unwrap();
    let transport = Transport::builder().with_sink(sink).build_blocking().unwrap();
    assert!(transport.send(peer::request(1)).is_accepted());
    let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
    // SAFETY: sets a limit of this process, which has no other files.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    let deliveries = [(); 2].map(|()| transport.send(peer::request(1000)));
    for delivery in deliveries {
        assert!(!delivery.is_accepted() && delivery.cause.contains("large"), "{delivery:?}");
    }
}
