use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use super::scale::Scale;

/// A sequence lock (seqlock) around a [`Scale`], in one cache line: one thread replaces the scale and
/// all threads read it. Readers write nothing, so they do not slow each other down.
#[repr(align(64))]
pub(super) struct SeqLock {
    /// Odd while the fields below are being replaced.
    version: AtomicU64,
    ticks: AtomicU64,
    unix_nanos: AtomicU64,
    rate: AtomicU64,
}

impl SeqLock {
    pub const fn new() -> Self {
        SeqLock {
            version: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            unix_nanos: AtomicU64::new(0),
            rate: AtomicU64::new(0),
        }
    }

    /// Reads the latest scale; `None` if a writer interfered with each attempt. The system may have
    /// suspended that writer half-way, so waiting for it would have no bound.
    pub fn read(&self) -> Option<Scale> {
        (0..ATTEMPTS).find_map(|_| match self.try_read() {
            (scale, true) => Some(scale),
            _ => {
                std::hint::spin_loop();
                None
            }
        })
    }

    /// Reads the scale, and returns whether it is whole. Not an `Option`, which the compiler passes
    /// through memory, stored as single words and loaded as pairs.
    #[inline(always)]
    pub fn try_read(&self) -> (Scale, bool) {
        // ORDER: Acquire pairs with the Release of the version at the end of `write`.
        let version = self.version.load(Acquire);
        let scale = Scale {
            ticks: self.ticks.load(Relaxed),
            unix_nanos: self.unix_nanos.load(Relaxed),
            rate: self.rate.load(Relaxed),
        };
        // ORDER: pairs with the Release fence in `write`: had one of the loads above seen a
        // newer field, the load below would see its odd version.
        fence(Acquire);
        (scale, version.is_multiple_of(2) && self.version.load(Relaxed) == version)
    }

    /// Leaves the lock in the state of a writer that the system suspended half-way.
    #[cfg(test)]
    pub fn left_half_written(&self) {
        self.version.fetch_or(1, Relaxed);
        self.unix_nanos.store(0, Relaxed);
    }

    /// Replaces the scale. The caller ensures that there is one writer at a time.
    pub fn write(&self, scale: Scale) {
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
        // ORDER: a reader that sees one of the stores below also sees the odd version; pairs with the
        // Acquire fence in `try_read`.
        fence(Release);
        self.ticks.store(scale.ticks, Relaxed);
        self.unix_nanos.store(scale.unix_nanos, Relaxed);
        self.rate.store(scale.rate, Relaxed);
        // ORDER: publishes the stores above; pairs with the Acquire load in `try_read`.
        self.version.store(version.wrapping_add(2), Release);
    }
}

const ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn a_reader_never_sees_a_mixture_of_two_scales() {
        const WRITES: u64 = 200_000;
        let published = SeqLock::new();
        let writing = AtomicBool::new(true);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0;
                        while writing.load(Relaxed) {
                            let Some(Scale { ticks, unix_nanos, rate }) = published.read() else {
                                continue;
                            };
                            assert_eq!((unix_nanos, rate), (2 * ticks, 3 * ticks));
                            assert!(ticks >= last, "an older scale after a newer one");
                            last = ticks;
                        }
                    })
                })
                .collect();
            for n in 1..=WRITES {
                published.write(Scale { ticks: n, unix_nanos: 2 * n, rate: 3 * n });
            }
            writing.store(false, Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        assert_eq!(published.read().map(|scale| scale.ticks), Some(WRITES));
    }

    #[test]
    fn a_writer_that_is_suspended_half_way_does_not_block_readers() {
        let published = SeqLock::new();
        published.left_half_written();
        assert_eq!(published.read(), None);
    }
}
