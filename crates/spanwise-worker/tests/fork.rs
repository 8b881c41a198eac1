//! Forked children notice, and get randomness of their own.
#![cfg(unix)]

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

use spanwise_worker::{fork, random_seed};

/// What `child` computes in a forked child of this process.
fn in_child<const N: usize>(child: impl FnOnce() -> [u64; N]) -> [u64; N] {
    let mut ends = [0; 2];
    // SAFETY: `pipe` fills two descriptors, which are ours. The child calls `child`, which takes no
    // lock that another thread could hold, writes and leaves without running any destructor.
    let (pid, mut reader) = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            let answer = child().map(u64::to_le);
            let written = libc::write(ends[1], answer.as_ptr().cast(), size_of_val(&answer));
            libc::_exit(i32::from(written != size_of_val(&answer) as isize));
        }
        libc::close(ends[1]);
        (pid, File::from_raw_fd(ends[0]))
    };
    let mut bytes = Vec::new();
    assert!(reader.read_to_end(&mut bytes).is_ok());
    let mut status = 0;
    // SAFETY: waits for a child of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!((status, bytes.len()), (0, N * 8));
    std::array::from_fn(|word| {
        bytes[word * 8..][..8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    })
}

#[test]
fn a_child_has_another_generation_and_its_child_one_more() {
    assert!(fork::watch() && fork::watch());
    let own = fork::generation();
    let [child, grandchild] = in_child(|| {
        let child = fork::generation();
        // SAFETY: as in `in_child`; the exit code is the answer.
        let grandchild = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit((fork::generation() & 0x7f) as i32);
            }
            let mut status = 0;
            libc::waitpid(pid, &mut status, 0);
            libc::WEXITSTATUS(status)
        };
        [child.into(), grandchild as u64]
    });
    assert_ne!(child, u64::from(own));
    assert_ne!(grandchild, child & 0x7f);
    assert_eq!(fork::generation(), own, "the parent is no child");
}

#[test]
fn children_do_not_share_seeds() {
    let own = random_seed();
    let first = in_child(|| [random_seed(), random_seed()]);
    let second = in_child(|| [random_seed(), random_seed()]);
    let mut all = vec![own];
    all.extend(first.into_iter().chain(second));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5);
}
