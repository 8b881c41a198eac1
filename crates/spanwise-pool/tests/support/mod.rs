//! Objects that notice when two hold them, or when one sees what another left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spanwise_pool::Reset;

/// Knows whether somebody holds it, and what was written on it.
#[derive(Debug)]
pub struct Canary {
    pub id: u64,
    pub held: Arc<AtomicBool>,
    note: Vec<u64>,
    /// Bytes it claims to hold.
    pub bytes: usize,
}

impl Canary {
    pub fn hatch(id: u64) -> Self {
        Canary { id, held: Arc::default(), note: Vec::new(), bytes: 0 }
    }

    pub fn grasp(&mut self, mark: u64) {
        assert!(!self.held.swap(true, Ordering::AcqRel), "canary {} has two holders", self.id);
        assert!(self.note.is_empty(), "canary {} sings the song of another", self.id);
        self.note.push(mark);
    }

    pub fn release(&self, mark: u64) {
        assert_eq!(self.note, [mark], "canary {} was written on by another", self.id);
        assert!(self.held.swap(false, Ordering::AcqRel));
    }
}

impl Reset for Canary {
    /// Every fifth is not worth keeping.
    fn reset(&mut self) -> bool {
        self.note.clear();
        self.id % 5 != 4
    }

    fn retained_bytes(&self) -> usize {
        self.bytes
    }
}
