//! CPU profiles of a program whose processor time is known.
#![cfg(unix)]

mod common;

use spanwise_profiling::{CpuProfiler, ProfileError};
use std::hint::black_box;
use std::time::Duration;

/// Processor time of the calling thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn spin(millis: u64) -> u64 {
    let end = thread_time() + Duration::from_millis(millis);
    let mut sum = 0_u64;
    while thread_time() < end {
        (0..10_000).for_each(|n| sum = black_box(sum.wrapping_mul(31) + n));
    }
    sum
}

#[inline(never)]
fn hot_function() -> u64 {
    black_box(spin(900)).wrapping_add(1)
}

#[inline(never)]
fn cool_function() -> u64 {
    black_box(spin(100)).wrapping_add(1)
}

#[test]
fn the_hot_function_dominates_and_profiles_come_one_by_one() {
    for round in 0..2 {
        let profiler = CpuProfiler::start().unwrap();
        assert!(matches!(CpuProfiler::start(), Err(ProfileError::Busy)));
        let error = spanwise_profiling::cpu(Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("one at a time"), "{error}");
        let hot = std::thread::spawn(hot_function);
        black_box(cool_function());
        black_box(hot.join().unwrap());
        let profile = profiler.finish().unwrap();
        // A pending signal ends a process without a handler; ours stays.
        // SAFETY: the signal has a handler.
        unsafe { libc::raise(libc::SIGPROF) };

        let decoded = common::decode(&profile.to_pprof().unwrap());
        assert_eq!(decoded.sample_types(), [("samples", "count"), ("cpu", "nanoseconds")]);
        assert_eq!(
            (decoded.period, decoded.text(decoded.default_sample_type)),
            (10_000_000, "cpu")
        );
        let [all, hot, cool] =
            ["", "hot_function", "cool_function"].map(|name| decoded.sum(name, "cpu"));
        // Some 100 samples, of which 90 are hot: below 75 is five standard deviations away.
        assert!(hot * 100 > all * 75, "{round}: {hot} of {all}\n{}", profile.to_text());
        assert!(cool * 100 < all * 25, "{round}: {cool} of {all}");
        let nanos = profile.total("cpu").unwrap();
        assert!((950_000_000..2_000_000_000).contains(&nanos), "{nanos}");
        assert!(profile.duration() > Duration::from_millis(500));
        // The handler itself is no part of a stack.
        assert!(!profile.to_folded().contains("on_signal"), "{}", profile.to_folded());
    }
}

#[test]
fn durations_are_bounded() {
    for duration in [Duration::ZERO, Duration::from_secs(61)] {
        let error = spanwise_profiling::cpu(duration).unwrap_err();
        assert!(matches!(error, ProfileError::Duration(_)), "{error}");
        assert!(error.to_string().contains("at most 60 s"), "{error}");
    }
}

#[test]
fn without_the_allocator_the_error_names_it() {
    let error = spanwise_profiling::heap().unwrap_err();
    assert!(matches!(error, ProfileError::NoSamplingAllocator));
    assert!(error.to_string().contains("#[global_allocator]"), "{error}");
}
