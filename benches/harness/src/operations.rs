//! The operations of a workload.

use crate::request::Request;
use crate::workload::{Shape, Workload};

/// The operations that a subject makes: their shape and their data.
#[derive(Debug)]
pub struct Operations {
    shape: Shape,
    request: Request,
}

impl Operations {
    /// The operations of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Self { shape: workload.shape, request: Request::sample() }
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
}
