//! Upper bounds of the sizes that constructors allocate. Constructors cannot fail, so a larger number
//! is reduced to the bound.

/// Slots of a pool, and bytes of these slots, which are allocated together.
pub(crate) const SLOTS: usize = 1 << 20;
pub(crate) const SLOT_BYTES: usize = 64 << 20;
/// Tiers of a `TieredPool`, each with a pool.
pub(crate) const TIERS: usize = 64;
/// Bytes reserved for a new list or buffer, which can grow beyond them.
pub(crate) const ROOM_BYTES: usize = 64 << 20;
/// Strings of an interner, each with about 40 bytes besides its text.
#[cfg(feature = "interner")]
pub(crate) const STRINGS: usize = 1 << 24;

/// The number of slots, of `slot_bytes` bytes each, of a pool that is created for `asked` objects.
pub(crate) fn slots(asked: usize, slot_bytes: usize) -> usize {
    asked.min(SLOTS).min((SLOT_BYTES / slot_bytes.max(1)).max(1))
}

/// The number of entries, of `entry_bytes` bytes each, to reserve when `asked` were requested.
pub(crate) fn room(asked: usize, entry_bytes: usize) -> usize {
    asked.min((ROOM_BYTES / entry_bytes.max(1)).max(1))
}
