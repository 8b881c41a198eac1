//! Bytes of bodies in memory, charged before they are allocated.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::refusal::Refusal;

/// What all requests of a receiver may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// An empty charge for one request.
    pub fn charge(self: &Arc<Self>) -> Charge {
        Charge { budget: Arc::clone(self), bytes: 0 }
    }
}

/// What one request holds; given back on drop.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Takes `more` bytes, or none of them: there is no waiting, a client can.
    pub fn grow(&mut self, more: usize) -> Result<(), Refusal> {
        let limit = self.budget.limit;
        self.budget
            .used
            .fetch_update(Relaxed, Relaxed, |used| used.checked_add(more).filter(|&u| u <= limit))
            .map_err(|_| Refusal::Overloaded)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_exceeded_and_always_given_back() {
        let budget = Budget::new(100);
        let mut one = budget.charge();
        let mut two = budget.charge();
        assert_eq!(one.grow(60), Ok(()));
        assert_eq!(two.grow(41), Err(Refusal::Overloaded));
        assert_eq!(two.grow(usize::MAX), Err(Refusal::Overloaded));
        assert_eq!(two.grow(40), Ok(()));
        assert_eq!(budget.used(), 100);
        drop(one);
        assert_eq!(budget.used(), 40);
        assert_eq!(two.grow(60), Ok(()));
        drop(two);
        assert_eq!(budget.used(), 0);
    }
}
