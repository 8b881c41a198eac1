//! Code in a forked child. Other systems than Unix have no `fork`, and this module is absent there.

use std::fs::File;
use std::io::{Read as _, Write, pipe};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work` in a forked child of this process, waits for it, and returns the bytes it wrote.
///
/// The child has a copy of the calling thread only: a lock that another thread held stays locked
/// there, so that `work` may hang. After 60 s an alarm ends the child, and this function panics. The
/// child exits without destructors and exit handlers of this process.
///
/// # Panics
/// If the system has no process or pipe left, if `work` panics, or if a signal ends the child.
#[track_caller]
#[expect(clippy::expect_used, reason = "a test that cannot go on must fail")]
pub fn in_forked_child(work: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let (mut reader, writer) = pipe().expect("the system has a pipe");
    // SAFETY: no invariant of this process depends on the child: it runs `work` on copied memory,
    // catches its panic, and leaves through `_exit` without returning into the caller's frames.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "the system has no process left");
    if child == 0 {
        drop(reader);
        // SAFETY: `alarm` only schedules a signal, whose default action ends this child.
        unsafe { libc::alarm(60) };
        let mut writer = File::from(OwnedFd::from(writer));
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut writer)));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    drop(writer);
    let mut output = Vec::new();
    let read = reader.read_to_end(&mut output);
    let mut status = 0;
    // SAFETY: `status` is a local of this frame, and no other code waits for this child.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    read.expect("the pipe to the child is readable");
    assert_eq!(waited, child);
    assert_eq!(status, 0, "the child failed: {}", String::from_utf8_lossy(&output));
    output
}
