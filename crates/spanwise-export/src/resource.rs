//! The encoded resource, which can be replaced while the exporter runs.

use std::sync::{Arc, PoisonError, RwLock};

/// An encoded resource. Clones share it: the exporter's handle replaces it, and the exporter's thread reads
/// it for each request.
#[derive(Clone)]
pub(crate) struct SharedResource {
    encoded: Arc<RwLock<Arc<[u8]>>>,
    max_bytes: usize,
}

impl SharedResource {
    /// A resource that will not have more than `max_bytes` bytes, for which space is reserved, unless
    /// `encoded` has more.
    pub(crate) fn new(encoded: Vec<u8>, max_bytes: usize) -> Self {
        let max_bytes = max_bytes.max(encoded.len());
        Self { encoded: Arc::new(RwLock::new(encoded.into())), max_bytes }
    }

    /// The resource of the next request.
    pub(crate) fn get(&self) -> Arc<[u8]> {
        self.encoded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the resource of all later requests. The caller checks its length.
    pub(crate) fn set(&self, encoded: Vec<u8>) {
        *self.encoded.write().unwrap_or_else(PoisonError::into_inner) = encoded.into();
    }

    /// The maximum bytes of a resource.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }
}
