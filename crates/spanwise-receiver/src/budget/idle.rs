//! Idle buffers of request bodies, cached for the next bodies.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The buffers of bodies that were handled.
///
/// A body of a MiB in fresh memory costs more in page faults than in copying: the allocator returns a
/// block of that size to the system when it is freed. A cached buffer stays charged, and is freed as soon
/// as a connection or a request needs its bytes.
#[derive(Debug, Default)]
pub(super) struct IdleBuffers {
    buffers: Mutex<Vec<Vec<u8>>>,
    /// The sum of their capacities.
    bytes: AtomicUsize,
}

impl IdleBuffers {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Takes a buffer with space for `capacity` bytes and for at most twice as many.
    pub(super) fn take(&self, capacity: usize) -> Option<Vec<u8>> {
        if self.bytes() == 0 {
            return None;
        }
        let mut buffers = self.buffers();
        let fits = capacity..=capacity.saturating_mul(2);
        let index = buffers.iter().rposition(|buffer| fits.contains(&buffer.capacity()))?;
        let buffer = buffers.swap_remove(index);
        self.bytes.fetch_sub(buffer.capacity(), Relaxed);
        Some(buffer)
    }

    /// Takes all buffers.
    pub(super) fn take_all(&self) -> Vec<Vec<u8>> {
        let buffers = std::mem::take(&mut *self.buffers());
        self.bytes.fetch_sub(capacity(&buffers), Relaxed);
        buffers
    }

    /// Caches a buffer, unless all of them would have more than `max_bytes` bytes or `charge` fails.
    pub(super) fn put(&self, mut buffer: Vec<u8>, max_bytes: usize, charge: impl FnOnce() -> bool) {
        let mut buffers = self.buffers();
        let sum = self.bytes() + buffer.capacity();
        if buffers.len() < MAX_IDLE && sum <= max_bytes && charge() {
            buffer.clear();
            self.bytes.store(sum, Relaxed);
            buffers.push(buffer);
            return;
        }
        // The memory is freed after the lock is released.
        drop(buffers);
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that `buffers` are charged for.
pub(super) fn capacity(buffers: &[Vec<u8>]) -> usize {
    buffers.iter().map(Vec::capacity).sum()
}

/// Buffers that are cached, for the requests that one client has in flight.
const MAX_IDLE: usize = 8;
