//! POSIX: fork handlers, signal masks and the monotonic clock.
#![allow(unsafe_code)]

#[cfg(feature = "fork")]
use std::mem::MaybeUninit;
#[cfg(feature = "fork")]
use std::ptr;

/// Has `handler` called in every child from now on, before `fork` returns there. It must be
/// async-signal-safe. Returns whether the system took it.
#[cfg(feature = "fork")]
pub(crate) fn on_fork_in_child(handler: extern "C" fn()) -> bool {
    // SAFETY: the handler is a function of this program, takes nothing and cannot unwind.
    unsafe { libc::pthread_atfork(None, None, Some(handler)) == 0 }
}

/// Blocks SIGPIPE for the calling thread.
#[cfg(feature = "fork")]
pub(crate) fn mask_sigpipe() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set it is given; the other two read it, and the old
    // mask is not asked for.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        // Fails for an unknown `how` only.
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// Nanoseconds of the system's monotonic clock; 0 where it cannot be read.
///
/// Not by `Instant`, which shows no number: the difference to a first one would need a lock around
/// that, and a child forked meanwhile would wait for it for ever.
#[cfg(feature = "clock")]
pub(crate) fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to be written; the call keeps no pointer to it.
    unsafe { libc::clock_gettime(MONOTONIC, &raw mut time) };
    let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
}

/// What the standard library takes for `Instant`.
#[cfg(all(feature = "clock", target_vendor = "apple"))]
const MONOTONIC: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
#[cfg(all(feature = "clock", not(target_vendor = "apple")))]
const MONOTONIC: libc::clockid_t = libc::CLOCK_MONOTONIC;
