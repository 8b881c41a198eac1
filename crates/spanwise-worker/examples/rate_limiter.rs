//! A rate limiter of 100 requests per second: refuse what exceeds it, or wait.
//!
//! The clock is virtual, so that ten seconds of load take no time; `RateLimiter::new(100, 100)` has the system's.
//!
//! `cargo run -p spanwise-worker --example rate_limiter`

use spanwise_worker::{Clock as _, RateLimiter, VirtualClock};
use std::time::Duration;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = VirtualClock::new();
    // 100 permits per second, and at most 100 at once.
    let limiter = RateLimiter::with_clock(clock.clone(), 100, 100)?;

    // Allow: 150 requests each second, for ten seconds. The first second has the burst.
    let mut allowed = Vec::new();
    for _second in 0..10 {
        allowed.push((0..150).filter(|_| limiter.try_acquire().is_ok()).count());
        clock.advance(Duration::from_secs(1));
    }
    println!("allowed of 150 in each second: {allowed:?}");
    assert_eq!(allowed, [100; 10]);

    // A caller that is refused gets the time at which a permit will be available.
    assert_eq!(limiter.try_acquire_n(100), Ok(Ok(())));
    let Err(at) = limiter.try_acquire() else { return Err("no limit".into()) };
    println!("the next permit is available in {:?}", at - clock.now());
    assert_eq!(at - clock.now(), Duration::from_millis(10));

    // Wait, at most until a deadline. This deadline is too early, so that the call returns at once.
    let deadline = clock.now() + Duration::from_millis(5);
    assert_eq!(limiter.acquire_n_until(1, deadline), Ok(false));

    // More than the burst is an error, and no endless wait.
    if let Err(error) = limiter.try_acquire_n(101) {
        println!("refused: {error}");
    }
    Ok(())
}
