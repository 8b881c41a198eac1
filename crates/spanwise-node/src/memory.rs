//! The division of a node's memory.

use crate::machine;
use crate::settings::MemoryLimit;
use crate::start_error::{ExitKind, StartError};
use spanwise_batch::{Budget, Charge};
use std::sync::Arc;
use tokio::sync::Notify;

/// The shares of the memory of the settings, in bytes. Their sum is the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) total: usize,
    /// Of each receiver: bodies that arrive, TLS sessions, read buffers.
    pub(crate) receiver: usize,
    /// Undecided traces and the tables of tail sampling.
    pub(crate) tail: usize,
    /// Requests that wait for the shards of tail sampling.
    pub(crate) tail_queue: usize,
    /// Requests that the node owns and that wait for destinations or peers.
    pub(crate) requests: usize,
    /// The part of `requests` for sampled traces alone: those that are decided always can leave.
    pub(crate) sampled: usize,
    /// Copies while a request is sent: compressed bodies, JSON, parts, records that are read from a spool.
    pub(crate) copies: usize,
}

impl Shares {
    /// Divides the memory of a node with this number of receivers.
    ///
    /// # Errors
    /// It is less than [`MIN_BYTES`], or a share of an unknown whole.
    pub(crate) fn new(
        limit: MemoryLimit,
        receivers: usize,
        tail_bytes: Option<usize>,
    ) -> Result<Self, StartError> {
        let total = match limit {
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Share(share) => {
                let unknown = "memory: the size of the machine's memory is unknown; set limit_mib";
                let all = machine::memory_bytes()
                    .ok_or_else(|| StartError::new(ExitKind::Settings, unknown))?;
                (all as f64 * share) as usize
            }
        };
        if total < MIN_BYTES {
            let message = format!(
                "memory: {} MiB are too few, accepted are {} MiB or more: raise the memory of the container, or memory.limit_mib or \
                 memory.limit_percentage in the file",
                total >> 20,
                MIN_BYTES >> 20
            );
            return Err(StartError::new(ExitKind::Settings, message));
        }
        let receivers = receivers.max(1);
        let receiver = total / 8 / receivers;
        let (tail, tail_queue) = match tail_bytes {
            Some(bytes) => (bytes.min(total / 8 * 3), total / 8),
            None => (0, 0),
        };
        let rest = total - receiver * receivers - tail - tail_queue;
        let copies = rest / 4;
        let requests = rest - copies;
        let sampled = if tail_bytes.is_some() { requests / 2 } else { 0 };
        Ok(Self { total, receiver, tail, tail_queue, requests, sampled, copies })
    }

    /// The most bytes of a request that a receiver takes: it has memory for two of them.
    pub(crate) fn max_request_bytes(&self, setting: usize) -> usize {
        setting.min(self.receiver / 2)
    }
}

/// The memory of requests. Clones share it.
#[derive(Clone)]
pub(crate) struct Memory {
    /// Requests that the node owns.
    pub(crate) requests: Budget,
    /// Copies while they are sent.
    pub(crate) copies: Copies,
}

impl Memory {
    pub(crate) fn new(shares: &Shares) -> Self {
        let requests = Budget::new(shares.requests);
        requests.set_reserve(shares.sampled);
        let shared = CopiesShared { budget: Budget::new(shares.copies), freed: Notify::new() };
        Self { requests, copies: Copies { shared: Arc::new(shared) } }
    }
}

/// The memory of copies. A task waits for it while it holds none, so that those that hold some end.
#[derive(Clone)]
pub(crate) struct Copies {
    shared: Arc<CopiesShared>,
}

struct CopiesShared {
    budget: Budget,
    freed: Notify,
}

/// Bytes of [`Copies`]; its drop returns them.
pub(crate) struct CopyCharge {
    charge: Option<Charge>,
    shared: Arc<CopiesShared>,
}

impl Copies {
    pub(crate) fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Charges `bytes`, once there is space. More than the limit is charged as the limit, alone.
    pub(crate) async fn charge(&self, bytes: usize) -> CopyCharge {
        let bytes = bytes.min(self.shared.budget.limit());
        loop {
            let freed = self.shared.freed.notified();
            if let Some(charge) = self.shared.budget.try_charge(bytes) {
                return CopyCharge { charge: Some(charge), shared: Arc::clone(&self.shared) };
            }
            freed.await;
        }
    }

    /// As [`charge`](Self::charge), if there is space now.
    pub(crate) fn try_charge(&self, bytes: usize) -> Option<CopyCharge> {
        let charge = self.shared.budget.try_charge(bytes.min(self.shared.budget.limit()))?;
        Some(CopyCharge { charge: Some(charge), shared: Arc::clone(&self.shared) })
    }
}

impl Drop for CopyCharge {
    fn drop(&mut self) {
        drop(self.charge.take());
        self.shared.freed.notify_waiters();
    }
}

/// Bytes of a request beside its own: entries of queues, its allocations.
pub(crate) const REQUEST_OVERHEAD: usize = 256;
/// The least memory of a node.
pub(crate) const MIN_BYTES: usize = 32 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        for (mib, receivers, tail) in
            [(32, 1, None), (512, 2, Some(256 << 20)), (100, 7, Some(1 << 20)), (8192, 2, None)]
        {
            let shares = Shares::new(MemoryLimit::Bytes(mib << 20), receivers, tail).unwrap();
            let sum = shares.receiver * receivers
                + (shares.tail + shares.tail_queue)
                + (shares.requests + shares.copies);
            assert_eq!(sum, mib << 20);
            assert!(shares.sampled < shares.requests && shares.copies > 0);
        }
        let few = Shares::new(MemoryLimit::Bytes(MIN_BYTES - 1), 1, None).unwrap_err();
        assert_eq!(few.kind.code(), 2);
    }

    #[tokio::test]
    async fn a_copy_waits_until_another_is_freed() {
        let shares = Shares::new(MemoryLimit::Bytes(MIN_BYTES), 1, None).unwrap();
        let copies = Memory::new(&shares).copies;
        let whole = copies.charge(usize::MAX).await;
        assert!(copies.try_charge(1).is_none());
        let waiting = tokio::spawn({
            let copies = copies.clone();
            async move { copies.charge(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(whole);
        drop(waiting.await.unwrap());
        assert_eq!(copies.budget().charged(), 0);
    }
}
