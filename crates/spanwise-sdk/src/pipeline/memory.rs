//! Where the memory of the next request comes from.

use super::Pipeline;
use super::backlog::Batch;
use super::requests::RequestMemory;
use spanwise_batch::Charge;
use spanwise_transport::Transport;

impl Pipeline {
    /// Memory for a request of `len` bytes, and what its compressed copy is charged; both or none.
    pub(super) fn memory(&self, len: usize) -> Option<(RequestMemory, Option<Charge>)> {
        let charged = || {
            let copy = match self.copies() {
                1 => None,
                _ => Some(self.buffers.charge(len)?),
            };
            Some((self.buffers.take(len)?, copy))
        };
        charged().or_else(|| {
            // What is only cached must not keep a request from being made.
            self.buffers.trim();
            self.core.shards.trim(0);
            charged()
        })
    }

    /// Memory for the request of a span larger than a chunk, which is charged for it already, but
    /// for resource and scope. The charge that is returned is for these.
    pub(super) fn large_memory(
        &self,
        len: usize,
        batch: &Batch,
    ) -> Option<(RequestMemory, Option<Charge>)> {
        let more = len.saturating_sub(batch.bytes()) * self.copies();
        let charged = || Some((self.buffers.charge(0)?, self.buffers.charge(more)?));
        let (none, more) = charged().or_else(|| {
            self.buffers.trim();
            self.core.shards.trim(0);
            charged()
        })?;
        Some((RequestMemory::of(len, none), Some(more)))
    }

    /// Copies of a request that exist at once: itself, and a compressed one.
    pub(super) fn copies(&self) -> usize {
        1 + usize::from(self.compressing)
    }

    /// Bytes of a request for which there is memory now.
    pub(super) fn affordable(&self) -> usize {
        let budget = self.core.budget();
        budget.limit().saturating_sub(budget.charged()) / self.copies()
    }
}

/// What compression takes besides the copies it makes: one encoder, which is at work on one of them
/// at a time.
pub(crate) fn encoder_bytes(transport: &Transport) -> usize {
    const MESSAGE: usize = 1 << 20;
    transport.compressed_bound(MESSAGE).saturating_sub(MESSAGE)
}
