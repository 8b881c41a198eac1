//! A program in which SIGPIPE ends the process. Alone in its process, because the disposition belongs
//! to the whole process.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{self, Error};
use std::time::{Duration, Instant};

use spanwise_worker::{Worker, mask_sigpipe, oneshot};

/// Writes to a pipe without a reader.
fn write() -> Option<io::ErrorKind> {
    let mut ends = [0; 2];
    // SAFETY: `pipe` fills two descriptors, which are ours; one byte is read from a live array.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        libc::close(ends[0]);
        let written = libc::write(ends[1], [0_u8].as_ptr().cast(), 1);
        let error = Error::last_os_error().kind();
        libc::close(ends[1]);
        (written < 0).then_some(error)
    }
}

#[test]
fn a_closed_pipe_is_an_error_on_every_thread_of_a_worker() {
    // SAFETY: sets a disposition, as a C program starts with.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let far = Instant::now() + Duration::from_secs(30);
    let (done, answer) = oneshot::channel();
    let worker = Worker::spawn("writes", |_| async move {
        let blocking = tokio::task::spawn_blocking(write).await.unwrap();
        done.send([write(), blocking]);
    })
    .unwrap();
    assert_eq!(answer.recv_until(far), Some([Some(io::ErrorKind::BrokenPipe); 2]));
    assert!(worker.join_until(far));

    let own = std::thread::spawn(|| {
        mask_sigpipe();
        mask_sigpipe();
        write()
    });
    assert_eq!(own.join().unwrap(), Some(io::ErrorKind::BrokenPipe));

    // SAFETY: reads the disposition, and sets it to the value that it has.
    let disposition = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    assert_eq!(disposition, libc::SIG_DFL, "the worker changed the program's disposition");
}
