//! Memory of the caller's for the JSON of a request.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use spanwise_worker::catch_panic;

use crate::fence::Fenced;
use crate::framing::PREFIX;

/// Memory for one JSON of a request: the first that is made of its clones.
#[derive(Clone)]
pub(crate) struct JsonMemory(Arc<Mutex<Option<ProvidedBuffer>>>);

/// A buffer, and what makes shared bytes of it.
pub(crate) struct ProvidedBuffer {
    buffer: Vec<u8>,
    share: Fenced<Share>,
}

type Share = Box<dyn FnOnce(Vec<u8>) -> Bytes + Send>;

impl JsonMemory {
    pub(crate) fn new(
        buffer: Vec<u8>,
        share: impl FnOnce(Vec<u8>) -> Bytes + Send + 'static,
    ) -> Self {
        let provided = ProvidedBuffer { buffer, share: Fenced::new(Box::new(share)) };
        Self(Arc::new(Mutex::new(Some(provided))))
    }

    /// The memory, if no other JSON has it and it has this capacity.
    pub(crate) fn take(&self, capacity: usize) -> Option<ProvidedBuffer> {
        let mut provided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        provided.take_if(|provided| provided.buffer.capacity() >= capacity)
    }
}

impl ProvidedBuffer {
    /// The buffer, to be returned by [`share`](Self::share).
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }

    /// The filled buffer as bytes that can be shared. `None` if the caller's code panics or returns other
    /// memory.
    pub(crate) fn share(self, buffer: Vec<u8>) -> Option<Bytes> {
        let (memory, len) = (buffer.as_ptr(), buffer.len());
        let share = self.share.into_inner()?;
        let bytes = catch_panic(|| share(buffer)).ok()?;
        (bytes.as_ptr() == memory && bytes.len() == len).then_some(bytes)
    }
}

impl fmt::Debug for JsonMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonMemory")
    }
}

/// The memory of the JSON of a message of `len` bytes, in bytes.
pub(crate) fn bound(len: usize) -> usize {
    max_len(len).saturating_add(PREFIX + OVERSHOOT)
}

/// Maximum bytes of the JSON of a message of `len` bytes.
///
/// A control character, which JSON writes as `\u0001`, has the largest factor of what strings contain;
/// a span without attributes has 4, usual spans about 2. Messages that exceed it are made of empty lists
/// and maps; a small one has the constant for its names.
pub(crate) fn max_len(len: usize) -> usize {
    len.saturating_mul(6).saturating_add(1 << 10)
}

/// Bytes by which the transcoder exceeds its limit before it fails.
const OVERSHOOT: usize = 1 << 10;
