//! The rate limiter, in virtual time.

use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use spanwise_worker::{Clock as _, InsufficientCapacity, RateError, RateLimiter, VirtualClock};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_limiter_grants_a_burst_and_then_one_permit_each_period() {
    let clock = VirtualClock::new();
    let limiter = RateLimiter::with_clock(clock.clone(), 10, 3).unwrap();
    for _ in 0..3 {
        assert_eq!(limiter.try_acquire(), Ok(()));
    }
    let next = limiter.try_acquire().unwrap_err();
    assert_eq!(next - clock.now(), 100 * MS);
    clock.advance(99 * MS);
    assert!(limiter.try_acquire().is_err());
    clock.advance(MS);
    assert_eq!(limiter.try_acquire(), Ok(()));
    clock.advance(3600 * 1000 * MS);
    assert_eq!((limiter.try_acquire_n(3), limiter.try_acquire().is_err()), (Ok(Ok(())), true));
}

#[test]
fn a_request_above_the_burst_is_an_error_at_once() {
    let limiter = RateLimiter::new(10, 3).unwrap();
    let insufficient = InsufficientCapacity { asked: 4, burst: 3 };
    assert_eq!(limiter.try_acquire_n(4), Err(insufficient));
    assert_eq!(limiter.acquire_n_until(4, VirtualClock::new().now()), Err(insufficient));
    assert_eq!(
        insufficient.to_string(),
        "4 permits asked for at once; the burst is 3, take them in parts"
    );
    assert_eq!(limiter.try_acquire_n(0), Ok(Ok(())));
}

#[test]
fn an_error_names_the_setting() {
    for (rate, burst, error) in [
        (0, 1, RateError::Rate { per_second: 0 }),
        (2_000_000_000, 1, RateError::Rate { per_second: 2_000_000_000 }),
        (1, 0, RateError::Burst { burst: 0, max: u32::MAX }),
    ] {
        assert_eq!(RateLimiter::new(rate, burst).unwrap_err(), error);
    }
    let zero = RateLimiter::every(Duration::ZERO, 1).unwrap_err();
    assert_eq!(zero, RateError::Period { period: Duration::ZERO });
}

/// A year, about.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

#[test]
fn a_limiter_rejects_a_setting_beyond_its_range() {
    for period in [147 * YEAR, Duration::from_nanos(u64::MAX), Duration::MAX] {
        let error = RateLimiter::every(period, 1).unwrap_err();
        assert_eq!(error, RateError::Period { period });
        assert!(error.to_string().starts_with(&format!("period is {period:?}; set 1ns to ")));
    }
    // 64 bits of nanoseconds are 584 years: a number that wrapped would become a small burst.
    for (years, burst, max) in [(1, 147, 146), (100, 2, 1), (1, u32::MAX, 146), (146, 2, 1)] {
        let error = RateLimiter::every(years * YEAR, burst).unwrap_err();
        assert_eq!(error, RateError::Burst { burst, max });
        let text = format!("burst is {burst}; set 1 to {max} with this period");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn the_largest_settings_have_an_exact_burst_and_period() {
    for (period, burst) in [
        (146 * YEAR, 1),
        (YEAR, 146),
        (40 * YEAR, 3),
        (Duration::from_secs(1), u32::MAX),
        (Duration::from_nanos(1), u32::MAX),
    ] {
        let clock = VirtualClock::new();
        let limiter = RateLimiter::every_with_clock(clock.clone(), period, burst).unwrap();
        assert_eq!(limiter.try_acquire_n(burst), Ok(Ok(())), "{period:?}");
        if let Some(more) = burst.checked_add(1) {
            assert_eq!(
                limiter.try_acquire_n(more),
                Err(InsufficientCapacity { asked: more, burst })
            );
        }
        let at = limiter.try_acquire().unwrap_err();
        assert_eq!(at - clock.now(), period);
        clock.advance(period - Duration::from_nanos(1));
        assert!(limiter.try_acquire().is_err());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(limiter.try_acquire(), Ok(()));
        assert!(limiter.try_acquire().is_err());
    }
}

#[test]
fn a_limiter_accepts_any_advance_of_its_clock() {
    let clock = VirtualClock::new();
    let limiter = RateLimiter::every_with_clock(clock.clone(), Duration::from_secs(1), 2).unwrap();
    let started = clock.now();
    for _ in 0..10 {
        clock.advance(Duration::MAX);
        clock.advance(Duration::from_secs(u64::MAX / 2));
        let _either = (limiter.try_acquire(), limiter.try_acquire_n(2));
    }
    assert!(clock.now() - started > 20 * YEAR, "the clock advances");
    let end = spanwise_worker::deadline(clock.now(), Duration::MAX);
    let _either = limiter.acquire_n_until(2, end.min(clock.now()));
}

#[test]
fn a_thread_does_not_wait_for_a_permit_after_its_deadline() {
    let clock = VirtualClock::new();
    let limiter = RateLimiter::every_with_clock(clock.clone(), 100 * MS, 1).unwrap();
    assert_eq!(limiter.try_acquire(), Ok(()));
    let too_soon = clock.now() + 99 * MS;
    assert_eq!(limiter.acquire_n_until(1, too_soon), Ok(false), "the limiter returns at once");
    let deadline = clock.now() + 100 * MS;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| limiter.acquire_n_until(1, deadline));
        while clock.waits() == 0 {
            thread::yield_now();
        }
        clock.advance(100 * MS);
        assert_eq!(waiting.join().unwrap(), Ok(true));
    });
}

#[tokio::test]
async fn a_task_waits_in_virtual_time() {
    let clock = VirtualClock::new();
    let limiter = RateLimiter::with_clock(clock.clone(), 1000, 2).unwrap();
    limiter.acquire_n(2).await.unwrap();
    assert!(limiter.acquire_n(3).await.is_err());
    let start = clock.now();
    let work = async {
        for _ in 0..50 {
            limiter.acquire().await;
        }
        clock.now() - start
    };
    let time = async {
        loop {
            clock.advance(MS / 4);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        took = work => assert_eq!(took, 50 * MS),
        () = time => {}
    }
}

proptest! {
    /// Any interval contains at most the permits of its length and one burst.
    #[test]
    fn a_limiter_never_exceeds_its_rate_and_burst(
        rate in 1..2000_u32,
        burst in 1..50_u32,
        asks in prop::collection::vec((0..20_u32, 1..60_u32), 1..200),
    ) {
        let clock = VirtualClock::new();
        let limiter = RateLimiter::with_clock(clock.clone(), rate, burst).unwrap();
        let period = Duration::from_nanos(u64::from(1_000_000_000 / rate));
        let start = clock.now();
        let mut taken: Vec<(Duration, u32)> = Vec::new();
        for (pause, n) in asks {
            clock.advance(pause * MS);
            match limiter.try_acquire_n(n) {
                Err(insufficient) => prop_assert!(n > burst && insufficient.burst == burst),
                Ok(Ok(())) => taken.push((clock.now() - start, n)),
                // The permits are available at the returned instant.
                Ok(Err(at)) => {
                    clock.advance(at - clock.now());
                    prop_assert_eq!(limiter.try_acquire_n(n), Ok(Ok(())));
                    taken.push((clock.now() - start, n));
                }
            }
        }
        for (from, &(begin, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for &(end, n) in &taken[from..] {
                sum += n;
                let earned = (end - begin).as_nanos() / period.as_nanos();
                prop_assert!(u128::from(sum) <= earned + u128::from(burst) + 1);
            }
        }
    }
}
