//! [`Callsites`]: which callsites make spans whose parent comes late.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tracing_core::Metadata;

/// The callsites whose root spans wait for their start, in a table of fixed size.
///
/// A root span may be one whose parent comes late ([`set_parent`](crate::OpenTelemetrySpanExt::set_parent)). The first
/// [`OBSERVED`] ones of a callsite wait for their start, and after that those of a callsite that has had a late parent. So the sampler
/// decides about them once, below their parent. All others start at once. A callsite that finds no place is taken for one without late
/// parents: a span of it is decided a second time.
pub(super) struct Callsites(Box<[AtomicU64]>);

impl Callsites {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether a new root span of the callsite waits for its start.
    ///
    /// # Cost
    /// A multiplication and a load.
    #[inline(always)]
    pub(super) fn waits(&self, metadata: &Metadata<'_>) -> bool {
        let key = key(metadata);
        let is_plain = |entry: &AtomicU64| entry.load(Relaxed) == key | PLAIN;
        !self.0.get(place(key, 0)).is_some_and(is_plain) && self.waits_behind(key)
    }

    /// A span of the callsite got its parent late.
    #[cold]
    pub(super) fn got_late_parent(&self, metadata: &Metadata<'_>) {
        self.update(key(metadata), |_| LATE);
    }

    /// As [`waits`](Self::waits), for a callsite that is observed, or not in its first place. Counts the span.
    #[cold]
    #[inline(never)]
    fn waits_behind(&self, key: u64) -> bool {
        let before = self.update(key, |state| if state < PLAIN { state + 1 } else { state });
        before.is_some_and(|state| state != PLAIN)
    }

    /// Changes the state of a callsite, and returns the one before.
    fn update(&self, key: u64, change: impl Fn(u64) -> u64) -> Option<u64> {
        let change = |entry| Some(entry & !STATE | change(entry & STATE));
        let before = self.entry(key)?.fetch_update(Relaxed, Relaxed, change);
        Some(before.unwrap_or_else(|same| same) & STATE)
    }

    /// The entry of a callsite, new or not; `None` if it finds no place.
    fn entry(&self, key: u64) -> Option<&AtomicU64> {
        (0..PROBES).filter_map(|probe| self.0.get(place(key, probe))).find(|entry| {
            let before = match entry.load(Relaxed) {
                0 => entry.compare_exchange(0, key, Relaxed, Relaxed).unwrap_or_else(|it| it),
                before => before,
            };
            before == 0 || before & !STATE == key
        })
    }
}

/// The address of the metadata, above the bits of the state. Metadata is aligned to eight bytes, and its callsite lives as long as the
/// process.
#[inline(always)]
fn key(metadata: &Metadata<'_>) -> u64 {
    (std::ptr::from_ref(metadata).addr() as u64 >> 3) << STATE_BITS
}

#[inline(always)]
fn place(key: u64, probe: usize) -> usize {
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - PLACES.ilog2());
    (hash as usize).wrapping_add(probe) % PLACES
}

/// The callsites that a layer knows: 8 KiB.
const PLACES: usize = 1024;
/// The places that a callsite can have.
const PROBES: usize = 4;
/// The lower bits of an entry: how many spans have waited, or one of the states below.
const STATE_BITS: u32 = 8;
const STATE: u64 = (1 << STATE_BITS) - 1;
/// The spans of a callsite that wait for their start, until the layer knows it.
pub(super) const OBSERVED: u64 = 16;
/// The spans of the callsite start at once.
const PLAIN: u64 = OBSERVED;
/// They wait.
const LATE: u64 = OBSERVED + 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// A key as that of a callsite.
    fn key(number: u64) -> u64 {
        (0x7f00_0000_0000 + number * 0x68) >> 3 << STATE_BITS
    }

    fn waits(callsites: &Callsites, key: u64) -> bool {
        callsites.waits_behind(key)
    }

    #[test]
    fn a_callsite_starts_plainly_after_it_was_observed() {
        let callsites = Callsites::new();
        for number in 0..64 {
            for _ in 0..OBSERVED {
                assert!(waits(&callsites, key(number)));
            }
            assert!(!waits(&callsites, key(number)));
        }
        callsites.update(key(7), |_| LATE);
        assert!((0..100).all(|_| waits(&callsites, key(7)) && !waits(&callsites, key(8))));
    }

    #[test]
    fn a_full_table_makes_no_span_wait() {
        let callsites = Callsites::new();
        let waiting = (0..100_000).filter(|&number| waits(&callsites, key(number))).count();
        assert!((PLACES / 2..=PLACES).contains(&waiting), "{waiting}");
        assert!(callsites.0.iter().all(|entry| entry.load(Relaxed) != 0));
    }
}
