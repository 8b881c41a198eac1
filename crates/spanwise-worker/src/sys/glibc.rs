//! glibc: its heap.
#![allow(unsafe_code)]

/// Returns free pages of all heaps to the system.
pub(crate) fn trim_heap() {
    // SAFETY: the function takes a number, the bytes to retain at the end, and may be called at any time on any thread.
    unsafe { libc::malloc_trim(0) };
}
