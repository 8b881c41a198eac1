//! A process that forks while its threads are in the sampler and a CPU profile is taken.
#![cfg(unix)]

use spanwise_profiling::{CpuProfiler, ProfileError, SamplingAllocator};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system().with_rate(256);

fn allocate(rounds: usize) {
    for round in 0..rounds {
        drop(black_box(vec![1_u8; round % 4000 + 1]));
    }
}

#[test]
fn a_child_allocates_and_takes_profiles() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    allocate(100);
                }
            });
        }
        let profiler = CpuProfiler::start().unwrap();
        for _ in 0..15 {
            // SAFETY: the child runs `in_child`, which ends it without returning to the test.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let is_fine = in_child();
                // SAFETY: ends the child without the parent's handlers.
                unsafe { libc::_exit(if is_fine { 0 } else { 7 }) };
            }
            assert!(child > 0);
            let mut status = 0;
            // SAFETY: `status` is ours to write, and the child is ours.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert!(libc::WIFEXITED(status), "a signal ended the child: {status}");
            assert_eq!(libc::WEXITSTATUS(status), 0);
        }
        assert!(matches!(CpuProfiler::start(), Err(ProfileError::Busy)));
        drop(profiler);
        assert!(CpuProfiler::start().is_ok());
        stop.store(true, Relaxed);
    });
}

/// The parent's profile is not the child's, and a deadlock ends the child.
fn in_child() -> bool {
    // SAFETY: the signal of the alarm ends the process, as intended.
    unsafe { libc::alarm(60) };
    allocate(1000);
    let Ok(profiler) = CpuProfiler::start() else { return false };
    allocate(1000);
    drop(profiler);
    // Without symbols: their cache may be locked by a thread that the child does not have.
    true
}
