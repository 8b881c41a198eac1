//! A process without a free descriptor. Alone in its process, because the limit belongs to the process.

#![cfg(all(feature = "tokio", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use spanwise_transport::{Endpoint, Transport};

#[test]
fn the_cause_is_the_shortage_and_not_the_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let build = |host: &str| {
        let endpoint = Endpoint::parse("TEST", &format!("http://{host}:4318/")).unwrap();
        let timeout = Duration::from_millis(200);
        let builder = Transport::builder().with_endpoint(endpoint).with_request_timeout(timeout);
        builder.build().unwrap()
    };
    let transports = ["localhost", "no-such-host.invalid", "127.0.0.1"].map(build);
    let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    // SAFETY: sets a limit of this process, which has no other test.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    let causes = transports.map(|transport| runtime.block_on(transport.send(vec![10, 0])).cause);
    drop(held);
    for cause in causes {
        assert_eq!(cause, "no connection: too many open files");
    }
}
