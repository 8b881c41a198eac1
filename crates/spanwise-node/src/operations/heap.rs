//! [`HeapTrimmer`]: memory that the program has freed returns to the system.

use spanwise_worker::trim_heap;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Trims the heap once a second, until it is dropped.
///
/// Requests of all sizes live for milliseconds in a pass-through and for seconds in tail sampling. glibc returns memory only from the end of a
/// heap, so that a request that stays holds what was freed before it, and under overload the resident memory rose for as long as it was
/// measured.
pub(super) struct HeapTrimmer {
    /// Its drop ends the thread.
    _stop: Sender<()>,
}

impl HeapTrimmer {
    /// Starts a thread: other threads wait for a trim only if they allocate from the heap at hand.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (stop, stopped) = channel();
        thread::Builder::new().name("spanwise-heap".to_owned()).spawn(move || {
            let mut next = INTERVAL;
            while stopped.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                let begun = Instant::now();
                trim_heap();
                next = pause(begun.elapsed());
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Large heaps take tens of milliseconds: no thread waits for more than a hundredth of the time.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(99).max(INTERVAL)
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn memory_that_is_freed_below_a_block_in_use_returns_to_the_system() {
        let mut blocks: Vec<Box<[u8; 1024]>> = (0..100_000).map(|_| Box::new([1; 1024])).collect();
        let in_use = blocks.pop();
        drop(blocks);
        let freed = resident_pages();
        let trimmer = HeapTrimmer::start().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while resident_pages() + 10_000 > freed {
            assert!(Instant::now() < patience, "of {freed} pages {} stayed", resident_pages());
            thread::sleep(Duration::from_millis(10));
        }
        drop((trimmer, in_use));
    }

    #[test]
    fn a_trim_takes_at_most_a_hundredth_of_the_time() {
        assert_eq!(pause(Duration::from_millis(1)), Duration::from_secs(1));
        assert_eq!(pause(Duration::from_millis(80)), Duration::from_millis(7_920));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn resident_pages() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    }
}
