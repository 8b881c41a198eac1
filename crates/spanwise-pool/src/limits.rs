//! Upper bounds of the sizes that constructors allocate. Constructors cannot fail, so a larger number
//! is reduced to the bound.

/// Slots of a pool, and bytes of these slots, which are allocated together.
pub(crate) const SLOTS: usize = 1 << 20;
pub(crate) const SLOT_BYTES: usize = 64 << 20;
/// Tiers of a `TieredPool`, each with a pool.
pub(crate) const TIERS: usize = 64;
/// Bytes reserved for a new list or buffer, which can grow beyond them.
pub(crate) const RESERVED_BYTES: usize = 64 << 20;
/// Strings of an interner, each with about 40 bytes besides its text.
#[cfg(feature = "interner")]
pub(crate) const STRINGS: usize = 1 << 24;

/// The number of slots, of `slot_bytes` bytes each, of a pool that is created for `objects` objects.
pub(crate) fn slots(objects: usize, slot_bytes: usize) -> usize {
    objects.min(SLOTS).min((SLOT_BYTES / slot_bytes.max(1)).max(1))
}

/// The number of entries, of `entry_bytes` bytes each, to reserve for `entries` requested ones.
pub(crate) fn max_reserved(entries: usize, entry_bytes: usize) -> usize {
    entries.min((RESERVED_BYTES / entry_bytes.max(1)).max(1))
}
