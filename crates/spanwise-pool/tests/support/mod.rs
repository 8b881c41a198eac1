//! Objects that detect a second user, and data of the previous user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spanwise_pool::Reset;

/// Detects a second holder, and the previous holder's mark.
#[derive(Debug)]
pub struct Canary {
    pub id: u64,
    pub held: Arc<AtomicBool>,
    marks: Vec<u64>,
    /// Bytes it claims to hold.
    pub bytes: usize,
}

impl Canary {
    pub fn hatch(id: u64) -> Self {
        Canary { id, held: Arc::default(), marks: Vec::new(), bytes: 0 }
    }

    pub fn grasp(&mut self, mark: u64) {
        assert!(!self.held.swap(true, Ordering::AcqRel), "canary {} has two holders", self.id);
        assert!(self.marks.is_empty(), "canary {} has another holder's mark", self.id);
        self.marks.push(mark);
    }

    pub fn release(&self, mark: u64) {
        assert_eq!(self.marks, [mark], "canary {} was marked by another holder", self.id);
        assert!(self.held.swap(false, Ordering::AcqRel));
    }
}

impl Reset for Canary {
    /// Every fifth object is not retained.
    fn reset(&mut self) -> bool {
        self.marks.clear();
        self.id % 5 != 4
    }

    fn retained_bytes(&self) -> usize {
        self.bytes
    }
}
