//! The buffer of a body, which the next body reuses.

use std::sync::Weak;

use super::Budget;

/// The bytes of a body, whose buffer is cached when the last reference to them is dropped.
pub(crate) struct BodyBuffer {
    bytes: Vec<u8>,
    /// A handler may retain the body for longer than the receiver runs.
    budget: Weak<Budget>,
}

impl BodyBuffer {
    pub(super) fn new(bytes: Vec<u8>, budget: Weak<Budget>) -> Self {
        Self { bytes, budget }
    }
}

impl AsRef<[u8]> for BodyBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for BodyBuffer {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.upgrade() {
            budget.put_idle(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Charge;
    use std::sync::Arc;

    fn drop_body(budget: &Arc<Budget>, capacity: usize) {
        drop(BodyBuffer::new(Vec::with_capacity(capacity), Arc::downgrade(budget)));
    }

    #[test]
    fn a_buffer_is_cached_for_a_body_that_uses_half_of_it_or_more() {
        let budget = Budget::new(8000);
        drop_body(&budget, 600);
        assert_eq!((budget.cached(), budget.used()), (600, 0));
        assert!(budget.take_idle(299).is_none() && budget.take_idle(601).is_none());
        assert_eq!(budget.take_idle(300).map(|buffer| buffer.capacity()), Some(600));
        assert_eq!((budget.cached(), budget.used()), (0, 0));
        assert!(budget.take_idle(300).is_none());
    }

    #[test]
    fn cached_buffers_take_no_more_than_their_share_and_nothing_that_requests_need() {
        let budget = Budget::new(8000);
        (0..100).for_each(|_| drop_body(&budget, 400));
        assert_eq!(budget.cached(), 800);
        let request = Charge::request_of(&budget);
        assert!(request.try_grow(7200));
        assert_eq!(budget.cached(), 800);
        assert!(request.try_grow(1));
        assert_eq!((budget.cached(), budget.used()), (0, 7201));
        drop_body(&budget, 400);
        assert_eq!(budget.cached(), 0, "memory is scarce");
        assert!(request.try_grow(799) && !request.try_grow(1));
    }

    #[test]
    fn a_body_may_outlive_its_receiver() {
        let budget = Budget::new(8000);
        let body = BodyBuffer::new(b"spans".to_vec(), Arc::downgrade(&budget));
        drop(budget);
        assert_eq!(body.as_ref(), b"spans");
    }
}
