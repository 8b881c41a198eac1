//! A byte budget that all memory of spans in flight is charged to.

use crate::space_notifier::SpaceNotifier;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A byte budget, shared by all owners of memory for spans.
///
/// The owner charges memory before it allocates it, and a [`Charge`] returns its bytes on drop, so
/// that the bytes charged never exceed the limit, whatever the number of threads or the size of spans.
///
/// ```
/// let budget = spanwise_batch::Budget::new(1024);
/// let half = budget.try_charge(512).unwrap();
/// assert!(budget.try_charge(513).is_none());
/// drop(half);
/// assert_eq!((budget.charged(), budget.peak()), (0, 512));
/// ```
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    limit: usize,
    /// Bytes that only [`Budget::try_charge_reserved`] may use. Never above `limit`.
    reserve: AtomicUsize,
    /// Never above `limit`.
    charged: AtomicUsize,
    /// Bytes of `charged` that [`Budget::try_charge_reserved`] charged.
    charged_reserved: AtomicUsize,
    peak: AtomicUsize,
    space: SpaceNotifier,
}

impl Budget {
    /// Creates a budget of `limit` bytes, and at most `isize::MAX`, as an allocation.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(MAX);
        let [reserve, charged, charged_reserved, peak] = [const { AtomicUsize::new(0) }; 4];
        let space = SpaceNotifier::default();
        let shared = Shared { limit, reserve, charged, charged_reserved, peak, space };
        Self { shared: Arc::new(shared) }
    }

    /// Reserves the last `bytes` of the limit for [`try_charge_reserved`](Self::try_charge_reserved):
    /// for the memory that the worker needs to free any other.
    ///
    /// Existing charges stay.
    pub fn set_reserve(&self, bytes: usize) {
        // ORDER: Relaxed, as for `charged`.
        self.shared.reserve.store(bytes.min(self.shared.limit), Relaxed);
        self.space().notify_all();
    }

    /// Bytes reserved for [`try_charge_reserved`](Self::try_charge_reserved).
    pub fn reserve(&self) -> usize {
        self.shared.reserve.load(Relaxed)
    }

    /// Charges `bytes` if they fit beside the reserve; `None` charges nothing. Never waits.
    pub fn try_charge(&self, bytes: usize) -> Option<Charge> {
        self.charge_within(bytes, self.limit() - self.reserve())
    }

    /// Whether [`try_charge`](Self::try_charge) would charge `bytes` now.
    pub(crate) fn can_charge(&self, bytes: usize) -> bool {
        bytes <= self.free()
    }

    /// As [`try_charge`](Self::try_charge), with the reserve included.
    pub fn try_charge_reserved(&self, bytes: usize) -> Option<Charge> {
        let mut charge = self.charge_within(bytes, self.limit())?;
        self.shared.charged_reserved.fetch_add(bytes, Relaxed);
        charge.bytes |= RESERVED;
        Some(charge)
    }

    fn charge_within(&self, bytes: usize, limit: usize) -> Option<Charge> {
        let Shared { charged, peak, .. } = &*self.shared;
        // ORDER: Relaxed. The counter publishes no memory.
        let before = charged
            .fetch_update(Relaxed, Relaxed, |held| {
                held.checked_add(bytes).filter(|&sum| sum <= limit)
            })
            .ok()?;
        peak.fetch_max(before + bytes, Relaxed);
        Some(Charge { budget: self.clone(), bytes })
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Bytes charged now.
    pub fn charged(&self) -> usize {
        self.shared.charged.load(Relaxed)
    }

    /// Bytes of [`charged`](Self::charged) that are not charged by
    /// [`try_charge_reserved`](Self::try_charge_reserved): those of chunks.
    pub(crate) fn charged_unreserved(&self) -> usize {
        // Two loads: another thread may change the sum in between.
        self.charged().saturating_sub(self.shared.charged_reserved.load(Relaxed))
    }

    /// Bytes that [`try_charge`](Self::try_charge) would charge now.
    pub(crate) fn free(&self) -> usize {
        (self.limit() - self.reserve()).saturating_sub(self.charged())
    }

    /// The highest number of bytes charged so far.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Relaxed)
    }

    /// The condition variable on which producers wait for bytes.
    pub(crate) fn space(&self) -> &SpaceNotifier {
        &self.shared.space
    }

    /// Whether both share one budget, as [`Arc::ptr_eq`].
    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (charged, limit) = (self.charged(), self.limit());
        write!(f, "Budget({charged} of {limit} bytes charged, peak {})", self.peak())
    }
}

/// Bytes charged to a [`Budget`]; its drop returns them.
#[must_use]
pub struct Charge {
    budget: Budget,
    /// With the bit [`RESERVED`], if [`Budget::try_charge_reserved`] charged them. One word, because each
    /// chunk has a charge.
    bytes: usize,
}

impl Charge {
    /// The budget this is charged to.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Bytes of this charge.
    pub fn bytes(&self) -> usize {
        self.bytes & MAX
    }

    /// Whether [`Budget::try_charge_reserved`] charged it.
    pub(crate) fn is_reserved(&self) -> bool {
        self.bytes & RESERVED != 0
    }

    /// Returns all but `bytes` to the budget; nothing if the charge is not larger.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        if excess > 0 {
            self.bytes -= excess;
            self.release_reserved(excess);
            #[cfg(feature = "planted-bugs")]
            if planted(Bug::BudgetLeak) {
                return;
            }
            self.budget.shared.charged.fetch_sub(excess, Relaxed);
            self.budget.space().notify_all();
        }
    }

    /// Splits off a charge of `bytes` bytes, or of all if there are fewer: for a part of the memory that another owner frees.
    /// Nothing is charged or returned.
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes());
        let kind = self.bytes & RESERVED;
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes: bytes | kind }
    }

    /// Adds the bytes of `other` to this charge.
    ///
    /// # Errors
    /// `other`, if it is a charge of another budget.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        if !self.budget.ptr_eq(&other.budget) {
            return Err(other);
        }
        // One charge has one kind, and that of a chunk is merged with more for its request.
        self.release_reserved(self.bytes());
        self.bytes &= MAX;
        other.release_reserved(other.bytes());
        self.bytes += std::mem::take(&mut other.bytes) & MAX;
        Ok(())
    }

    /// Bytes of this charge are no longer reserved ones, if they were.
    fn release_reserved(&self, bytes: usize) {
        if self.is_reserved() {
            self.budget.shared.charged_reserved.fetch_sub(bytes, Relaxed);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = self.bytes();
        if bytes > 0 {
            self.release_reserved(bytes);
            self.budget.shared.charged.fetch_sub(bytes, Relaxed);
            self.budget.space().notify_all();
        }
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({} bytes)", self.bytes())
    }
}

/// The bit of a charge of [`Budget::try_charge_reserved`].
const RESERVED: usize = !MAX;
/// The largest charge.
const MAX: usize = usize::MAX >> 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_charges_and_returns_nothing() {
        let budget = Budget::new(100);
        for charges in [Budget::try_charge, Budget::try_charge_reserved] {
            let charge = charges(&budget, 30);
            let unreserved = budget.charged_unreserved();
            let mut charge = charge.unwrap();
            let part = charge.split(10);
            let is_reserved = charge.is_reserved();
            assert_eq!((charge.bytes(), part.bytes()), (20, 10));
            assert_eq!(
                (part.is_reserved(), budget.charged_unreserved()),
                (is_reserved, unreserved)
            );
            drop(part);
            assert_eq!(budget.charged(), 20);
            let all = charge.split(usize::MAX);
            assert_eq!((charge.bytes(), all.bytes()), (0, 20));
            drop(all);
            assert_eq!(budget.charged(), 0);
        }
    }

    #[test]
    fn reserved_bytes_are_none_of_chunks_until_they_are_merged_or_returned() {
        let budget = Budget::new(100);
        let chunk = budget.try_charge(10).unwrap();
        let mut reserved = budget.try_charge_reserved(30).unwrap();
        assert_eq!((budget.charged(), budget.charged_unreserved()), (40, 10));
        reserved.shrink_to(20);
        assert_eq!((budget.charged(), budget.charged_unreserved()), (30, 10));
        drop(reserved);
        assert_eq!((budget.charged(), budget.charged_unreserved()), (10, 10));
        let mut reserved = budget.try_charge_reserved(30).unwrap();
        reserved.merge(chunk).unwrap();
        assert_eq!((budget.charged(), budget.charged_unreserved()), (40, 40));
        drop(reserved);
        let chunk = budget.try_charge(10).unwrap();
        assert_eq!((budget.charged(), budget.charged_unreserved()), (10, 10), "returned once");
        drop(chunk);
    }
}
