//! The order in which a search visits slots.

/// All indices below `len`, upwards from `start`, wrapping.
pub(super) fn around(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (start..len).chain(0..start)
}

/// All indices below `len`, downwards from `start - 1`, wrapping.
pub(super) fn below(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (0..start).rev().chain((start..len).rev())
}

/// Slots to look at near each of two indices before an object is made.
pub(super) const PROBES: usize = 32;
