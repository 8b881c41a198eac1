use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use super::scale::Scale;

/// A [`Scale`] that one thread replaces and all threads read: a sequence lock in one cache line.
/// Readers write nothing, so they do not slow each other down.
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

    /// The latest scale; `None` when a writer was in the way each time (it may have been suspended
    /// by the system half-way, so waiting for it has no bound).
    pub fn read(&self) -> Option<Scale> {
        (0..ATTEMPTS).find_map(|_| match self.try_read() {
            (scale, true) => Some(scale),
            _ => {
                std::hint::spin_loop();
                None
            }
        })
    }

    /// The scale, and whether it is whole. Not an `Option`: that would go through memory, stored
    /// in words and loaded in pairs.
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

    /// As it is while a writer, suspended half-way, has not written all.
    #[cfg(test)]
    pub fn left_half_written(&self) {
        self.version.fetch_or(1, Relaxed);
        self.unix_nanos.store(0, Relaxed);
    }

    /// Replaces the scale. Callers see to it that there is one writer at a time.
    pub fn write(&self, scale: Scale) {
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
        // ORDER: the odd version is visible to whoever sees one of the stores below.
        fence(Release);
        self.ticks.store(scale.ticks, Relaxed);
        self.unix_nanos.store(scale.unix_nanos, Relaxed);
        self.rate.store(scale.rate, Relaxed);
        // ORDER: publishes the stores above; pairs with the Acquire load in `read`.
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
    fn readers_never_see_a_mixture() {
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
    fn a_writer_stuck_half_way_does_not_hold_readers() {
        let published = SeqLock::new();
        published.left_half_written();
        assert_eq!(published.read(), None);
    }
}
