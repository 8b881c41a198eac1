use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::{Pool, PoolStats, Pooled, Reset, Trimmed, limits};

/// An object with a capacity, for a [`TieredPool`].
pub trait TierObject: Reset + Sized {
    /// A new object with capacity for `entries` entries.
    fn with_capacity(entries: usize) -> Self;

    /// Entries that the object has capacity for now.
    fn capacity(&self) -> usize;

    /// Frees the capacity beyond `entries` entries. The object is empty when this is called.
    fn shrink_to(&mut self, entries: usize);
}

/// `with_capacity` reserves 64 MiB at most.
impl<T> TierObject for Vec<T> {
    fn with_capacity(entries: usize) -> Self {
        Vec::with_capacity(limits::max_reserved(entries, size_of::<T>()))
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn shrink_to(&mut self, entries: usize) {
        self.shrink_to(entries);
    }
}

/// A pool with tiers: one [`Pool`] for each size of object.
///
/// An object that has grown moves to the tier of its new size when it is released; an object that has
/// grown far beyond the largest tier is freed.
pub struct TieredPool<T> {
    /// Smallest first.
    tiers: Vec<Tier<T>>,
    /// Objects with more capacity are freed.
    max_entries: usize,
}

struct Tier<T> {
    /// The capacity of a new object, and the smallest capacity of an object of this tier.
    entries: usize,
    pool: Pool<T>,
}

/// The guard of an object acquired from a [`TieredPool`]; dropping it, on any thread, releases the
/// object.
pub struct TierPooled<'a, T: TierObject> {
    /// Empty only in `drop`.
    pooled: Option<Pooled<'a, T>>,
    tier: usize,
    pool: &'a TieredPool<T>,
}

impl<T: TierObject> TieredPool<T> {
    /// A pool with tiers of 8, 32 and 128 entries, at most `capacity` objects in each. Objects that have
    /// grown beyond 512 entries are freed.
    pub fn new(capacity: usize) -> Self {
        Self::with_tiers(&[8, 32, 128], capacity)
    }

    /// A pool with a tier for each of `capacities` entries, at most `capacity` objects in each. Objects that
    /// have grown beyond four times the largest tier are freed. Only the 64 smallest `capacities` are used.
    pub fn with_tiers(capacities: &[usize], capacity: usize) -> Self {
        let mut capacities = capacities.to_vec();
        capacities.sort_unstable();
        capacities.dedup();
        capacities.truncate(limits::TIERS);
        let max_entries = capacities.last().map_or(0, |largest| largest.saturating_mul(4));
        let tiers =
            capacities.into_iter().map(|entries| Tier { entries, pool: Pool::new(capacity) });
        TieredPool { tiers: tiers.collect(), max_entries }
    }

    /// Each tier retains objects of at most `bytes` bytes together. Default: no limit.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        let limited = self
            .tiers
            .into_iter()
            .map(|tier| Tier { entries: tier.entries, pool: tier.pool.with_byte_limit(bytes) });
        self.tiers = limited.collect();
        self
    }

    /// Acquires an object with capacity for `expected` entries: from the first tier that is large
    /// enough, else from the last. `None` only if there is no tier.
    ///
    /// # Cost
    /// As [`Pool::acquire`], and the choice of a tier.
    #[inline]
    pub fn acquire(&self, expected: usize) -> Option<TierPooled<'_, T>> {
        let fits = self.tiers.iter().position(|tier| expected <= tier.entries);
        let index = fits.unwrap_or(self.tiers.len().saturating_sub(1));
        let tier = self.tiers.get(index)?;
        let pooled = tier.pool.acquire(|| T::with_capacity(tier.entries));
        Some(TierPooled { pooled: Some(pooled), tier: index, pool: self })
    }

    /// As [`Pool::trim`], for all tiers; objects that have grown within their tier shrink to its
    /// capacity.
    pub fn trim(&self) -> Trimmed {
        self.tiers.iter().fold(Trimmed::default(), |sum, tier| {
            let trimmed = tier.pool.trim_with(|object| object.shrink_to(tier.entries));
            let bytes = sum.bytes.saturating_add(trimmed.bytes);
            Trimmed { objects: sum.objects + trimmed.objects, bytes }
        })
    }

    /// Capacity and statistics of each tier, smallest first. The tier that retains or discards an object
    /// counts it; an object that no tier retains is counted by the tier it was acquired from.
    pub fn stats(&self) -> impl Iterator<Item = (usize, PoolStats)> {
        self.tiers.iter().map(|tier| (tier.entries, tier.pool.stats()))
    }

    /// The tier for an object of this capacity: the largest one whose minimum the object meets.
    #[inline]
    fn tier_of(&self, capacity: usize) -> Option<usize> {
        match capacity <= self.max_entries {
            true => self.tiers.iter().rposition(|tier| tier.entries <= capacity),
            false => None,
        }
    }

    #[cold]
    fn move_to_tier(&self, pooled: Pooled<'_, T>, tier: Option<usize>) {
        let origin = pooled.pool();
        let object = pooled.into_inner();
        match tier.and_then(|tier| self.tiers.get(tier)) {
            Some(tier) => tier.pool.add_or_discard(object),
            // Larger than any tier retains.
            None => origin.discard(object),
        }
    }
}

impl<T: TierObject> Deref for TierPooled<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match &self.pooled {
            Some(pooled) => pooled,
            None => without_object(),
        }
    }
}

impl<T: TierObject> DerefMut for TierPooled<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.pooled {
            Some(pooled) => pooled,
            None => without_object(),
        }
    }
}

impl<T: TierObject> Drop for TierPooled<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            let tier = self.pool.tier_of(pooled.capacity());
            if tier != Some(self.tier) {
                self.pool.move_to_tier(pooled, tier);
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
        let tiers = self.tiers.iter().map(|tier| (tier.entries, &tier.pool));
        f.debug_map().entries(tiers).finish()
    }
}

/// Unreachable: the object leaves the guard only in `drop`.
fn without_object() -> ! {
    unreachable!("a guard without its object")
}
