use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::{Pool, PoolStats, Pooled, Reset, Trimmed, limits};

/// An object that comes in sizes.
pub trait TierObject: Reset + Sized {
    /// A new one with room for so many entries.
    fn with_capacity(entries: usize) -> Self;

    /// How many entries it has room for now.
    fn room(&self) -> usize;

    /// Gives back room beyond so many entries. It is empty then.
    fn shrink(&mut self, entries: usize);
}

/// Room for 64 MiB at most is made at once.
impl<T> TierObject for Vec<T> {
    fn with_capacity(entries: usize) -> Self {
        Vec::with_capacity(limits::room(entries, size_of::<T>()))
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn shrink(&mut self, entries: usize) {
        self.shrink_to(entries);
    }
}

/// One pool for each size: small objects stay small, large ones are there for those who need them.
///
/// An object that has grown goes to the tier of its new size when it comes home; one that has
/// grown beyond the largest is let go.
pub struct TieredPool<T> {
    /// Smallest first.
    tiers: Vec<Tier<T>>,
    /// Objects with room for more are let go.
    most_room: usize,
}

struct Tier<T> {
    /// Entries a new object has room for, and the least an object of this tier has.
    room: usize,
    pool: Pool<T>,
}

/// An object on loan from a [`TieredPool`], given back when dropped, on whatever thread.
pub struct TierPooled<'a, T: TierObject> {
    /// Empty only in `drop`.
    pooled: Option<Pooled<'a, T>>,
    tier: usize,
    home: &'a TieredPool<T>,
}

impl<T: TierObject> TieredPool<T> {
    /// Tiers of 8, 32 and 128 entries, at most `capacity` objects in each. Objects that have grown
    /// beyond 512 entries are let go.
    pub fn new(capacity: usize) -> Self {
        Self::with_tiers(&[8, 32, 128], capacity)
    }

    /// Tiers of these rooms, at most `capacity` objects in each. Objects that have grown beyond
    /// four times the largest room are let go. Of more than 64 rooms the smallest are taken.
    pub fn with_tiers(rooms: &[usize], capacity: usize) -> Self {
        let mut rooms = rooms.to_vec();
        rooms.sort_unstable();
        rooms.dedup();
        rooms.truncate(limits::TIERS);
        let most_room = rooms.last().map_or(0, |largest| largest.saturating_mul(4));
        let tiers = rooms.into_iter().map(|room| Tier { room, pool: Pool::new(capacity) });
        TieredPool { tiers: tiers.collect(), most_room }
    }

    /// Each tier retains objects of at most `bytes` bytes together. Default: no limit.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        let limited = self
            .tiers
            .into_iter()
            .map(|tier| Tier { room: tier.room, pool: tier.pool.with_byte_limit(bytes) });
        self.tiers = limited.collect();
        self
    }

    /// Lends an object with room for `expected` entries: of the first tier that has so much, else
    /// of the last. `None` only if there is no tier.
    ///
    /// # Cost
    /// As [`Pool::acquire`], and the choice of a tier.
    #[inline]
    pub fn acquire(&self, expected: usize) -> Option<TierPooled<'_, T>> {
        let fits = self.tiers.iter().position(|tier| expected <= tier.room);
        let index = fits.unwrap_or(self.tiers.len().saturating_sub(1));
        let tier = self.tiers.get(index)?;
        let pooled = tier.pool.acquire(|| T::with_capacity(tier.room));
        Some(TierPooled { pooled: Some(pooled), tier: index, home: self })
    }

    /// As [`Pool::trim`], of all tiers; and what has grown within its tier shrinks to the tier's
    /// room.
    pub fn trim(&self) -> Trimmed {
        self.tiers.iter().fold(Trimmed::default(), |sum, tier| {
            let trimmed = tier.pool.trim_with(|object| object.shrink(tier.room));
            let bytes = sum.bytes.saturating_add(trimmed.bytes);
            Trimmed { objects: sum.objects + trimmed.objects, bytes }
        })
    }

    /// Room and statistics of each tier, smallest first. An object that has grown is counted where
    /// it is kept, or where there was no room for it; one that no tier keeps, where it was lent.
    pub fn stats(&self) -> impl Iterator<Item = (usize, PoolStats)> {
        self.tiers.iter().map(|tier| (tier.room, tier.pool.stats()))
    }

    /// The tier for an object of this room: the largest one whose promise it keeps.
    #[inline]
    fn tier_of(&self, room: usize) -> Option<usize> {
        match room <= self.most_room {
            true => self.tiers.iter().rposition(|tier| tier.room <= room),
            false => None,
        }
    }

    #[cold]
    fn move_home(&self, pooled: Pooled<'_, T>, tier: Option<usize>) {
        let home = pooled.home();
        let object = pooled.into_inner();
        match tier.and_then(|tier| self.tiers.get(tier)) {
            Some(tier) => tier.pool.add_or_discard(object),
            // Larger than any tier keeps.
            None => home.discard(object),
        }
    }
}

impl<T: TierObject> Deref for TierPooled<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match &self.pooled {
            Some(pooled) => pooled,
            None => gone(),
        }
    }
}

impl<T: TierObject> DerefMut for TierPooled<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.pooled {
            Some(pooled) => pooled,
            None => gone(),
        }
    }
}

impl<T: TierObject> Drop for TierPooled<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            let tier = self.home.tier_of(pooled.room());
            if tier != Some(self.tier) {
                self.home.move_home(pooled, tier);
            }
        }
    }
}

impl<T: TierObject + fmt::Debug> fmt::Debug for TierPooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TierPooled").field(&**self).finish()
    }
}

impl<T> fmt::Debug for TieredPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiers = self.tiers.iter().map(|tier| (tier.room, &tier.pool));
        f.debug_map().entries(tiers).finish()
    }
}

/// Nobody gets here: the object leaves the guard only in `drop`.
fn gone() -> ! {
    unreachable!("a guard without its object")
}
