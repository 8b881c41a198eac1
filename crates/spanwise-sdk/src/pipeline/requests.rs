//! Memory for requests: charged, and used again.

use bytes::Bytes;
use spanwise_batch::{Budget, Charge};
use spanwise_pool::{Pool, PooledOwned, Reset};
use std::sync::Arc;

/// Buffers that requests are framed into.
///
/// A request of a MiB made anew each time costs more in page faults than in copying. A buffer of
/// the usual size comes back when the last reference to its bytes is dropped, be it by an answer, an
/// error or an abandoned task, and stays charged while it is cached. A smaller request gets memory
/// of just its length: what waits for a receiver that is away must not be charged for more.
pub(super) struct RequestBuffers {
    budget: Budget,
    /// Length of a usual buffer.
    usual: usize,
    cached: Arc<Pool<RequestBuffer>>,
}

pub(super) struct RequestBuffer {
    // Before `charge`: memory is freed first, the bytes for it are returned then.
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
    /// Whether it is of the usual length, and worth keeping.
    usual: bool,
}

impl RequestBuffers {
    /// Buffers charged to `budget`; at most `count` of the `usual` length are cached.
    pub(super) fn new(budget: Budget, usual: usize, count: usize) -> Self {
        Self { budget, usual, cached: Arc::new(Pool::new(count)) }
    }

    /// A buffer of `bytes` bytes, if the budget has them.
    pub(super) fn take(&self, bytes: usize) -> Option<RequestMemory> {
        // Whole chunks fill a request to a chunk or two.
        if bytes <= self.usual && bytes > self.usual / 4 * 3 {
            if let Some(cached) = self.cached.try_acquire_owned() {
                return Some(RequestMemory::Cached(cached));
            }
            if let Some(charge) = self.budget.try_charge_reserved(self.usual) {
                let fresh = RequestBuffer::new(self.usual, charge, true);
                return Some(RequestMemory::Cached(self.cached.acquire_owned(|| fresh)));
            }
        }
        self.budget.try_charge_reserved(bytes).map(|charge| RequestMemory::of(bytes, charge))
    }

    /// A charge for memory that is not from here.
    pub(super) fn charge(&self, bytes: usize) -> Option<Charge> {
        self.budget.try_charge_reserved(bytes)
    }

    /// Frees the cached buffers.
    pub(super) fn trim(&self) {
        self.cached.clear();
    }
}

/// The memory of one request, back in the cache or freed when it is dropped.
pub(super) enum RequestMemory {
    Cached(PooledOwned<RequestBuffer>),
    Own(RequestBuffer),
}

impl RequestMemory {
    /// Memory for `bytes` bytes that `charge` pays for.
    pub(super) fn of(bytes: usize, charge: Charge) -> Self {
        Self::Own(RequestBuffer::new(bytes, charge, false))
    }

    /// The memory itself, to be given back by [`put`](Self::put).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer().bytes)
    }

    /// The filled memory as bytes that can be shared.
    pub(super) fn put(mut self, bytes: Vec<u8>) -> Bytes {
        self.buffer().bytes = bytes;
        Bytes::from_owner(self)
    }

    fn buffer(&mut self) -> &mut RequestBuffer {
        match self {
            Self::Cached(buffer) => buffer,
            Self::Own(buffer) => buffer,
        }
    }
}

impl AsRef<[u8]> for RequestMemory {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Cached(buffer) => &buffer.bytes,
            Self::Own(buffer) => &buffer.bytes,
        }
    }
}

impl RequestBuffer {
    fn new(bytes: usize, charge: Charge, usual: bool) -> Self {
        Self { bytes: Vec::with_capacity(bytes), charge, usual }
    }
}

impl Reset for RequestBuffer {
    fn reset(&mut self) -> bool {
        self.bytes.clear();
        self.usual && self.bytes.capacity() > 0
    }
}
