//! One number of bytes that everything in flight is charged to.

use crate::space_notifier::SpaceNotifier;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A budget in bytes, shared by all who hold memory for spans.
///
/// Memory is charged before it is allocated and given back when its [`Charge`] is dropped, so
/// what is held never exceeds the limit, whatever the number of threads or the size of spans.
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
    room: SpaceNotifier,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let [reserve, charged, peak] = [const { AtomicUsize::new(0) }; 3];
        Self {
            shared: Arc::new(Shared {
                limit,
                reserve,
                charged,
                peak,
                room: SpaceNotifier::default(),
            }),
        }
    }

    /// Keeps the last `bytes` of the limit for [`try_charge_reserved`](Self::try_charge_reserved):
    /// for the memory without which nothing that is charged could ever be freed.
    ///
    /// Existing charges stay.
    pub fn set_reserve(&self, bytes: usize) {
        // ORDER: Relaxed, as for `charged`.
        self.shared.reserve.store(bytes.min(self.shared.limit), Relaxed);
        self.room().open();
    }

    /// Bytes kept for [`try_charge_reserved`](Self::try_charge_reserved).
    pub fn reserve(&self) -> usize {
        self.shared.reserve.load(Relaxed)
    }

    /// Charges `bytes`, or nothing at all when they do not fit beside the reserve. Never waits.
    pub fn try_charge(&self, bytes: usize) -> Option<Charge> {
        self.charge_within(bytes, self.limit() - self.reserve())
    }

    /// As [`try_charge`](Self::try_charge), out of the whole limit.
    pub fn try_charge_reserved(&self, bytes: usize) -> Option<Charge> {
        self.charge_within(bytes, self.limit())
    }

    fn charge_within(&self, bytes: usize, limit: usize) -> Option<Charge> {
        let Shared { charged, peak, .. } = &*self.shared;
        // ORDER: Relaxed. The counter publishes no memory, it only counts.
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

    /// Bytes held now.
    pub fn charged(&self) -> usize {
        self.shared.charged.load(Relaxed)
    }

    /// Bytes held at most so far.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Relaxed)
    }

    /// Where threads wait for bytes.
    pub(crate) fn room(&self) -> &SpaceNotifier {
        &self.shared.room
    }

    /// Whether both are the same budget, not only the same numbers.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (charged, limit) = (self.charged(), self.limit());
        write!(f, "Budget({charged} of {limit} bytes charged, at most {} so far)", self.peak())
    }
}

/// Bytes charged to a [`Budget`] until this is dropped.
#[must_use]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Charge {
    /// The budget that is charged.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Bytes held by this charge.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but `bytes`; nothing when it holds no more than that.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes.saturating_sub(bytes);
        if excess > 0 {
            self.bytes -= excess;
            self.budget.shared.charged.fetch_sub(excess, Relaxed);
            self.budget.room().open();
        }
    }

    /// Takes over what `other` holds.
    ///
    /// # Errors
    /// `other`, when it is a charge of another budget.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        if !self.budget.is(&other.budget) {
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
            self.budget.room().open();
        }
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({} bytes)", self.bytes)
    }
}
