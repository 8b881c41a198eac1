//! Upper bounds of what constructors allocate. They cannot fail, so a larger number is reduced to
//! the bound.

/// Slots of a pool, and the bytes that they take, allocated at once.
pub(crate) const SLOTS: usize = 1 << 20;
pub(crate) const SLOT_BYTES: usize = 64 << 20;
/// Sizes a `TieredPool` has, a pool for each.
pub(crate) const TIERS: usize = 64;
/// Bytes that are reserved for a new list or buffer; it grows beyond as any other.
pub(crate) const ROOM_BYTES: usize = 64 << 20;
/// Strings of an interner: with some 40 bytes each beside their own.
pub(crate) const STRINGS: usize = 1 << 24;

/// Slots of `slot_bytes` bytes that a pool gets which is to have `asked`.
pub(crate) fn slots(asked: usize, slot_bytes: usize) -> usize {
    asked.min(SLOTS).min((SLOT_BYTES / slot_bytes.max(1)).max(1))
}

/// Entries of `entry_bytes` bytes that are reserved where `asked` are wanted.
pub(crate) fn room(asked: usize, entry_bytes: usize) -> usize {
    asked.min((ROOM_BYTES / entry_bytes.max(1)).max(1))
}
