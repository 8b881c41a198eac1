//! POSIX: fork handlers, signal masks and the monotonic clock.
#![allow(unsafe_code)]

#[cfg(feature = "fork")]
use std::mem::MaybeUninit;
#[cfg(feature = "fork")]
use std::ptr;

/// Registers `handler`, which runs in every child from now on, before `fork` returns there. It must be
/// async-signal-safe. Returns whether the system accepted it.
#[cfg(feature = "fork")]
pub(crate) fn on_fork_in_child(handler: extern "C" fn()) -> bool {
    // SAFETY: the handler is a function of this program, takes nothing and cannot unwind.
    unsafe { libc::pthread_atfork(None, None, Some(handler)) == 0 }
}

/// Blocks SIGPIPE for the calling thread.
#[cfg(feature = "fork")]
pub(crate) fn mask_sigpipe() {
    mask(libc::SIGPIPE);
}

/// Blocks SIGXFSZ for the calling thread.
#[cfg(feature = "fork")]
pub(crate) fn mask_sigxfsz() {
    mask(libc::SIGXFSZ);
}

#[cfg(feature = "fork")]
fn mask(signal: libc::c_int) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes its argument; the other two calls read it, and the null pointer
    // requests no old mask.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        // Fails for an unknown `how` only.
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// Nanoseconds of the system's monotonic clock; 0 if the system cannot read it.
///
/// Not through `Instant`, which has no method for its number: the difference to a first one would need
/// a lock around that, and a child forked while a thread holds it would wait for ever.
#[cfg(feature = "clock")]
pub(crate) fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to be written; the call keeps no pointer to it.
    unsafe { libc::clock_gettime(MONOTONIC, &raw mut time) };
    let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
}

/// Nanoseconds for which the calling thread has run; `None` if the system cannot read them.
#[cfg(feature = "clock")]
pub(crate) fn thread_cpu_nanos() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `monotonic_nanos`.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
    (result == 0).then(|| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos))
}

/// The clock that the standard library reads for `Instant`.
#[cfg(all(feature = "clock", target_vendor = "apple"))]
const MONOTONIC: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
#[cfg(all(feature = "clock", not(target_vendor = "apple")))]
const MONOTONIC: libc::clockid_t = libc::CLOCK_MONOTONIC;
