//! Random jitter for the waits between attempts.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spanwise_worker::__private::{INCREMENT, mix};
use spanwise_worker::{fork, random_seed};

/// A uniform random generator (SplitMix64) for jitter. The kernel seeds it, not the clock: clients
/// that start together, or were forked from one process, must not retry together.
pub(crate) struct Jitter {
    state: AtomicU64,
    /// The fork generation of the seed.
    generation: AtomicU32,
}

impl Jitter {
    pub(crate) fn new() -> Self {
        fork::watch();
        let generation = AtomicU32::new(fork::generation());
        Self { state: AtomicU64::new(random_seed()), generation }
    }

    pub(crate) fn draw(&self) -> u64 {
        let generation = fork::generation();
        // ORDER: Relaxed; a child begins with one thread. Two threads that see the same fork seed
        // twice, and each draw needs its own number and nothing else.
        if self.generation.swap(generation, Ordering::Relaxed) != generation {
            self.state.store(random_seed(), Ordering::Relaxed);
        }
        mix(self.state.fetch_add(INCREMENT, Ordering::Relaxed).wrapping_add(INCREMENT))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::FromRawFd as _;

    use super::*;

    /// The next draws in a forked child.
    fn drawn_in_a_child(jitter: &Jitter) -> [u8; 32] {
        let mut ends = [0; 2];
        // SAFETY: `pipe` fills two descriptors, which are ours. The child draws, which takes no
        // lock, writes, and leaves without running any destructor.
        let mut reader = unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                let drawn = [jitter.draw(), jitter.draw(), jitter.draw(), jitter.draw()];
                libc::write(ends[1], drawn.as_ptr().cast(), size_of_val(&drawn));
                libc::_exit(0);
            }
            libc::close(ends[1]);
            libc::waitpid(child, std::ptr::null_mut(), 0);
            File::from_raw_fd(ends[0])
        };
        let mut drawn = [0; 32];
        reader.read_exact(&mut drawn).unwrap();
        drawn
    }

    #[test]
    fn forked_children_do_not_wait_in_step() {
        let jitter = Jitter::new();
        jitter.draw();
        let (one, other) = (drawn_in_a_child(&jitter), drawn_in_a_child(&jitter));
        let parent = [jitter.draw(), jitter.draw(), jitter.draw(), jitter.draw()];
        let parent: Vec<u8> = parent.iter().flat_map(|draw| draw.to_ne_bytes()).collect();
        assert!(one != other && one[..] != parent && other[..] != parent);
    }

    #[test]
    fn transports_of_one_process_do_not_wait_in_step() {
        let (one, other) = (Jitter::new(), Jitter::new());
        assert_ne!([one.draw(), one.draw()], [other.draw(), other.draw()]);
    }
}
