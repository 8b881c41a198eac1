//! The examples run to their end.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[path = "../examples/rate_limiter.rs"]
mod rate_limiter;
#[path = "../examples/semaphore.rs"]
mod semaphore;

#[test]
fn the_rate_limiter_grants_its_rate() {
    rate_limiter::main().unwrap();
}

#[test]
fn the_semaphore_holds_its_bound() {
    semaphore::main().unwrap();
}
