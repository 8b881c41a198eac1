//! A signal that must not reach the host.

/// Blocks `SIGPIPE` on the calling thread, for as long as it lives.
///
/// A vectored write to a closed socket raises it, and where the host has left it at its default
/// it ends the process. Blocked, the write fails with `EPIPE` alone.
pub(crate) fn block() {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` makes `set` a set before anything reads it, and `pthread_sigmask`
    // only reads it and is allowed not to say what was blocked before.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}
