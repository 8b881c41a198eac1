//! Memory for requests: charged to the budget, and reused.

use bytes::Bytes;
use spanwise_batch::{Budget, Charge};
use spanwise_pool::{Pool, PooledOwned, Reset};
use std::sync::Arc;

/// The memory that requests are framed into.
///
/// A request of a MiB in fresh memory costs more in page faults than in copying. A buffer of the
/// usual size returns to the cache when the last reference to its bytes is dropped, be it by a
/// response, an error or an aborted task, and stays charged while it is cached. A smaller request gets
/// memory of just its length: requests that wait for a receiver must not be charged for more.
pub(super) struct Memory {
    budget: Budget,
    /// Length of a usual buffer.
    usual: usize,
    cached: Arc<Pool<RequestBuffer>>,
    /// The maximum memory of a request in multiples of its length: itself, those split by trace, JSON, and
    /// compressed copies.
    copies: usize,
}

/// Memory for one request, and the charge of its copies.
pub(super) type Charged = (RequestMemory, Option<Charge>);

impl Memory {
    /// Memory charged to `budget`; at most `count` buffers of the `usual` length are cached.
    pub(super) fn new(budget: Budget, usual: usize, count: usize, copies: usize) -> Self {
        Self { budget, usual, cached: Arc::new(Pool::new(count)), copies }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Length of a usual request in bytes.
    pub(super) fn usual(&self) -> usize {
        self.usual
    }

    /// Memory for a request of `len` bytes and a charge for the rest of its `copies`; both or none.
    pub(super) fn try_take(&self, len: usize, copies: usize) -> Option<Charged> {
        let copy = match copies {
            1 => None,
            _ => Some(self.budget.try_charge_reserved(len * copies.saturating_sub(1))?),
        };
        Some((self.try_buffer(len)?, copy))
    }

    /// Memory for a request of `len` bytes that another charge covers.
    pub(super) fn charged_elsewhere(&self, len: usize) -> Option<RequestMemory> {
        Some(RequestMemory::owned(len, self.budget.try_charge_reserved(0)?))
    }

    /// Bytes that are charged for `copies` copies of a request of `len` bytes.
    pub(super) fn charge_of(&self, len: usize, copies: usize) -> usize {
        let first = if self.is_usual(len) { self.usual } else { len };
        first + len * copies.saturating_sub(1)
    }

    /// Bytes of a request for which the budget has memory now.
    pub(super) fn affordable(&self) -> usize {
        self.budget.limit().saturating_sub(self.budget.charged()) / self.copies
    }

    /// Frees the cached buffers.
    pub(super) fn trim(&self) {
        self.cached.clear();
    }

    fn try_buffer(&self, bytes: usize) -> Option<RequestMemory> {
        if self.is_usual(bytes) {
            if let Some(cached) = self.cached.try_acquire_owned() {
                return Some(RequestMemory::Cached(cached));
            }
            if let Some(charge) = self.budget.try_charge_reserved(self.usual) {
                let fresh = RequestBuffer::new(self.usual, charge, true);
                return Some(RequestMemory::Cached(self.cached.acquire_owned(|| fresh)));
            }
        }
        self.budget.try_charge_reserved(bytes).map(|charge| RequestMemory::owned(bytes, charge))
    }

    /// Whether a request of `len` bytes gets a usual buffer: whole chunks fill one up to a chunk or two.
    fn is_usual(&self, len: usize) -> bool {
        len <= self.usual && len > self.usual / 4 * 3
    }
}

/// Cached buffers are referred to by requests that may outlive the machine.
impl Drop for Memory {
    fn drop(&mut self) {
        self.trim();
    }
}

/// The memory of one request, returned to the cache or freed when it is dropped.
pub(super) enum RequestMemory {
    Cached(PooledOwned<RequestBuffer>),
    Owned(RequestBuffer),
}

pub(super) struct RequestBuffer {
    // Before `charge`: memory is freed first, its bytes are returned to the budget then.
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
    /// Whether it is of the usual length, and worth retaining.
    is_usual: bool,
}

impl RequestMemory {
    fn owned(bytes: usize, charge: Charge) -> Self {
        Self::Owned(RequestBuffer::new(bytes, charge, false))
    }

    /// The memory itself, to be returned by [`share`](Self::share).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer().bytes)
    }

    /// The filled memory as bytes that can be shared.
    pub(super) fn share(mut self, bytes: Vec<u8>) -> Bytes {
        self.buffer().bytes = bytes;
        Bytes::from_owner(self)
    }

    fn buffer(&mut self) -> &mut RequestBuffer {
        match self {
            Self::Cached(buffer) => buffer,
            Self::Owned(buffer) => buffer,
        }
    }
}

impl AsRef<[u8]> for RequestMemory {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Cached(buffer) => &buffer.bytes,
            Self::Owned(buffer) => &buffer.bytes,
        }
    }
}

impl RequestBuffer {
    fn new(bytes: usize, charge: Charge, is_usual: bool) -> Self {
        Self { bytes: Vec::with_capacity(bytes), charge, is_usual }
    }
}

impl Reset for RequestBuffer {
    fn reset(&mut self) -> bool {
        self.bytes.clear();
        self.is_usual && self.bytes.capacity() > 0
    }
}
