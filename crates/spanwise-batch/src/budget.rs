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
    peak: AtomicUsize,
    space: SpaceNotifier,
}

impl Budget {
    /// Creates a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let [reserve, charged, peak] = [const { AtomicUsize::new(0) }; 3];
        let space = SpaceNotifier::default();
        Self { shared: Arc::new(Shared { limit, reserve, charged, peak, space }) }
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
        let limit = self.limit() - self.reserve();
        self.charged().checked_add(bytes).is_some_and(|sum| sum <= limit)
    }

    /// As [`try_charge`](Self::try_charge), with the reserve included.
    pub fn try_charge_reserved(&self, bytes: usize) -> Option<Charge> {
        self.charge_within(bytes, self.limit())
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
    bytes: usize,
}

impl Charge {
    /// The budget this is charged to.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Bytes of this charge.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all but `bytes` to the budget; nothing if the charge is not larger.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes.saturating_sub(bytes);
        if excess > 0 {
            self.bytes -= excess;
            #[cfg(feature = "planted-bugs")]
            if planted(Bug::BudgetLeak) {
                return;
            }
            self.budget.shared.charged.fetch_sub(excess, Relaxed);
            self.budget.space().notify_all();
        }
    }

    /// Adds the bytes of `other` to this charge.
    ///
    /// # Errors
    /// `other`, if it is a charge of another budget.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        if !self.budget.ptr_eq(&other.budget) {
            return Err(other);
        }
        self.bytes += std::mem::take(&mut other.bytes);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.shared.charged.fetch_sub(self.bytes, Relaxed);
            self.budget.space().notify_all();
        }
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({} bytes)", self.bytes)
    }
}
