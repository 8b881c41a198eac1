//! POSIX: fork handlers and signal masks.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

/// Has `handler` called in every child from now on, before `fork` returns there. It must be
/// async-signal-safe. Returns whether the system took it.
pub(crate) fn on_fork_in_child(handler: extern "C" fn()) -> bool {
    // SAFETY: the handler is a function of this program, takes nothing and cannot unwind.
    unsafe { libc::pthread_atfork(None, None, Some(handler)) == 0 }
}

/// Blocks SIGPIPE for the calling thread.
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
