//! A dictionary of Zstandard, and the place where a spool and its compressors share it.

use std::sync::{Arc, OnceLock};

use crate::format::crc32c;

/// A trained dictionary.
#[derive(Clone)]
pub(crate) struct Dictionary {
    /// The CRC32C of its bytes; never 0.
    id: u32,
    bytes: Arc<[u8]>,
}

/// The dictionary of a spool: set once, by the first compressor that trained it or by the start.
pub(crate) type SharedDictionary = Arc<OnceLock<Dictionary>>;

impl Dictionary {
    /// `None` if the identifier of the bytes is the one of no dictionary.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let id = crc32c(bytes);
        (id != 0 && !bytes.is_empty()).then(|| Self { id, bytes: bytes.into() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
