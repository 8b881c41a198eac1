//! The operations of a workload.

use crate::request::Request;
use crate::workload::{Shape, Workload};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The operations that a subject makes: their shape, their data, and the number of those that the
/// sampler sampled.
#[derive(Debug)]
pub struct Operations {
    shape: Shape,
    request: Request,
    has_ratio: bool,
    sampled: AtomicU64,
}

impl Operations {
    /// The operations of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Self {
            shape: workload.shape,
            request: Request::sample(),
            has_ratio: workload.sampler.ratio().is_some(),
            sampled: AtomicU64::new(0),
        }
    }

    /// The spans of one operation.
    #[inline]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The request that the spans describe.
    #[inline]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether the calling code counts the operations that are sampled.
    #[inline]
    pub fn has_ratio(&self) -> bool {
        self.has_ratio
    }

    /// Counts operations that were sampled, on any thread.
    pub fn add_sampled(&self, ops: u64) {
        self.sampled.fetch_add(ops, Relaxed);
    }

    /// The operations that were sampled so far.
    pub fn sampled(&self) -> u64 {
        self.sampled.load(Relaxed)
    }
}
