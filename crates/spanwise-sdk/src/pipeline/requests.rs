//! Memory for requests: charged, and used again.

use bytes::Bytes;
use spanwise_batch::{Budget, Charge};
use spanwise_pool::{Pool, PooledOwned, Recycle};
use std::sync::Arc;

/// Buffers that requests are framed into.
///
/// A request of a MiB made anew each time costs more in page faults than in copying. A buffer
/// comes back when the last reference to its bytes is dropped, be it by an answer, an error or an
/// abandoned task, and stays charged while it rests.
pub(super) struct RequestBuffers {
    budget: Budget,
    resting: Arc<Pool<RequestBuffer>>,
}

struct RequestBuffer {
    // Before `charge`: memory is given back first, the bytes for it then.
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
}

impl RequestBuffers {
    /// At most `budget` bytes, in use and resting; at most `count` buffers rest.
    pub(super) fn new(budget: Budget, count: usize) -> Self {
        Self { budget, resting: Arc::new(Pool::new(count)) }
    }

    /// A buffer of `bytes` bytes, if the budget has them.
    pub(super) fn take(&self, bytes: usize) -> Option<Lent> {
        let bytes = bytes.min(self.budget.limit());
        while let Some(resting) = self.resting.try_lend_owned() {
            if resting.bytes.capacity() >= bytes {
                return Some(Lent(resting));
            }
            drop(resting.into_inner());
        }
        let charge = self.budget.try_charge(bytes)?;
        let fresh = RequestBuffer { bytes: Vec::with_capacity(bytes), charge };
        Some(Lent(self.resting.lend_owned(|| fresh)))
    }

    /// A charge for memory that is not from here.
    pub(super) fn charge(&self, bytes: usize) -> Option<Arc<Charge>> {
        self.budget.try_charge(bytes.min(self.budget.limit())).map(Arc::new)
    }

    /// Lets go of the buffers that rest.
    pub(super) fn trim(&self) {
        self.resting.clear();
    }
}

/// A buffer that goes back when it is dropped.
pub(super) struct Lent(PooledOwned<RequestBuffer>);

impl Lent {
    /// The memory, to be given back by [`put`](Self::put).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.bytes)
    }

    /// The filled buffer as bytes that can be shared.
    pub(super) fn put(mut self, bytes: Vec<u8>) -> Bytes {
        self.0.bytes = bytes;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Recycle for RequestBuffer {
    fn recycle(&mut self) -> bool {
        self.bytes.clear();
        self.bytes.capacity() > 0
    }
}
