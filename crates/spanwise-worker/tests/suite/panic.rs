//! A user's code may panic wherever a library calls it: `catch_panic` catches each panic.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use spanwise_testkit::PanicOnDrop;
use spanwise_worker::{catch_panic, catch_panic_async, deadline, random_bytes, random_seed};

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it waits for nothing"),
    }
}

#[test]
fn a_caught_panic_has_a_sanitized_message() {
    let message_of = |message: &str| {
        let message = message.to_owned();
        let panic = catch_panic(|| resume_unwind(Box::new(message))).unwrap_err();
        panic.message().unwrap().to_owned()
    };
    assert_eq!(message_of("plain"), "plain");
    assert_eq!(message_of("two\nlines\tor\rthree"), "two lines or three");
    assert_eq!(message_of("\0\x1b[2J\x7f\u{9b}31m"), "\\u{0}\\u{1b}[2J\\u{7f}\\u{9b}31m");
    assert_eq!(message_of(&"x".repeat(100_000)), "x".repeat(253) + "…");
    assert_eq!(message_of(&"é".repeat(200)), "é".repeat(126) + "…");
    assert_eq!(message_of(&format!("x{}", "é".repeat(200))), format!("x{}…", "é".repeat(126)));
    assert_eq!(message_of(&"\0".repeat(200)), "\\u{0}".repeat(50) + "\\u{…");

    let panic = catch_panic(|| resume_unwind(Box::new("static"))).unwrap_err();
    assert_eq!(panic.to_string(), "panicked: static");
    let panic = catch_panic(|| resume_unwind(Box::new(1))).unwrap_err();
    assert_eq!((panic.message(), panic.to_string().as_str()), (None, "panicked"));
}

#[test]
fn catch_panic_forgets_the_payload() {
    assert!(catch_panic(|| resume_unwind(Box::new(PanicOnDrop))).is_err());
    assert!(now(catch_panic_async(async { resume_unwind(Box::new(PanicOnDrop)) })).is_err());
    assert_eq!(catch_panic(|| 7), Ok(7));
    assert_eq!(now(catch_panic_async(async { 7 })), Ok(7));
}

/// A future that panics in its poll and in its drop.
struct Hostile(
    Option<Poll<u8>>,
    #[expect(dead_code, reason = "counts the living futures")] Arc<()>,
);

impl Future for Hostile {
    type Output = u8;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        self.0.unwrap_or_else(|| resume_unwind(Box::new(PanicOnDrop)))
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        resume_unwind(Box::new(PanicOnDrop));
    }
}

#[test]
fn a_future_that_panics_on_poll_and_on_drop_is_dropped() {
    let alive = Arc::new(());
    let hostile = |ends| catch_panic_async(Hostile(ends, alive.clone()));
    assert!(now(hostile(None)).is_err());
    assert_eq!(now(hostile(Some(Poll::Ready(3)))), Ok(3), "the output is returned");
    drop(hostile(None));
    {
        let mut waits = hostile(Some(Poll::Pending));
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(&mut waits).poll(&mut context).is_pending());
    }
    assert_eq!(Arc::strong_count(&alive), 1, "a future was not dropped");
}

#[test]
fn a_deadline_is_always_within_the_range_of_the_clock() {
    let now = Instant::now();
    assert_eq!(deadline(now, Duration::ZERO), now);
    assert_eq!(deadline(now, Duration::from_secs(5)), now + Duration::from_secs(5));
    let never = deadline(now, Duration::MAX);
    assert!(never >= now + Duration::from_secs(86400 * 365 * 20));
    let mut last = now;
    // The last instant of the system.
    for bit in (0..64).rev() {
        last = last.checked_add(Duration::from_secs(1 << bit)).unwrap_or(last);
    }
    for after in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
        assert!(deadline(last, after) >= last);
    }
}

#[test]
fn two_random_seeds_differ() {
    let seeds: std::collections::HashSet<u64> = (0..1000).map(|_| random_seed()).collect();
    assert_eq!(seeds.len(), 1000);
    assert_ne!(random_bytes::<16>(), random_bytes::<16>());
    assert_eq!(random_bytes::<0>(), []);
}
