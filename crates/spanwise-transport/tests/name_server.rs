//! A name server that hangs for one host, on a runtime like that of the worker.

#![cfg(all(feature = "tokio", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_receiver::Receiver;
use spanwise_transport::{Endpoint, Transport};

type GetAddrInfo = unsafe extern "C" fn(
    *const libc::c_char,
    *const libc::c_char,
    *const libc::addrinfo,
    *mut *mut libc::addrinfo,
) -> libc::c_int;

/// Calls for `hangs.test`.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// In the place of the system's: names that begin with `hangs` have no answer, and every other name is this host.
///
/// # Safety
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const libc::c_char,
    service: *const libc::c_char,
    hints: *const libc::addrinfo,
    result: *mut *mut libc::addrinfo,
) -> libc::c_int {
    // SAFETY: the caller passes a terminated string.
    let node = unsafe { CStr::from_ptr(node) }.to_bytes();
    if node.starts_with(b"hangs") {
        HANGING.fetch_add(usize::from(node == b"hangs.test"), SeqCst);
        loop {
            std::thread::park();
        }
    }
    // SAFETY: the next definition in the order of search is the system's, of the same type.
    unsafe {
        let system = libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr());
        let system = std::mem::transmute::<*mut libc::c_void, GetAddrInfo>(system);
        system(c"127.0.0.1".as_ptr(), service, hints, result)
    }
}

fn to(host: &str, port: u16) -> Transport {
    let endpoint = Endpoint::parse_base("TEST", &format!("http://{host}:{port}")).unwrap();
    Transport::builder()
        .with_endpoint(endpoint)
        .with_request_timeout(Duration::from_secs(10))
        .with_attempt_timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

#[test]
fn a_name_server_that_hangs_for_one_host_delays_no_other() {
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(2).build().unwrap();
    let delivery = runtime.block_on(async {
        for host in ["hangs.test", "hangs.test", "hangs.test"] {
            tokio::spawn(async move { to(host, 4318).send(vec![b'\n', 0]).await });
        }
        while HANGING.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        to("answers.test", receiver.address().port()).send(vec![b'\n', 0]).await
    });
    // Before anything panics: the drop of the runtime would wait for its threads.
    runtime.shutdown_background();
    assert!(delivery.is_accepted(), "{delivery}");
    assert_eq!(HANGING.load(SeqCst), 1, "one thread per host");
}

/// Each of several threads has its own deadline.
#[test]
fn threads_that_wait_for_a_name_server_return_by_their_deadlines() {
    let endpoint = Endpoint::parse_base("TEST", "http://hangs-too.test:4318").unwrap();
    let builder = Transport::builder().with_request_timeout(Duration::from_millis(500));
    let transport = builder.with_endpoint(endpoint).build_blocking().unwrap();
    let start = Instant::now();
    let send = || assert!(!transport.send(vec![b'\n', 0]).is_accepted());
    std::thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(send))));
    // One after the other they would take ten seconds.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
