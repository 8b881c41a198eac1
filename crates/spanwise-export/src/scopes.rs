//! Instrumentation scopes: each is encoded once, spans carry its index.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The encoded headers of all scopes, by index. Cheap to clone.
pub(crate) type ScopeHeaders = Arc<Vec<Arc<[u8]>>>;

/// A table of instrumentation scopes: `SpanMeta::scope` is an index into it.
///
/// A clone shares the table. It holds at most 4,096 scopes of at most 8 KiB, and at most the bytes it
/// was made for.
#[derive(Clone)]
pub struct ScopeTable {
    table: Arc<RwLock<Table>>,
    /// Bytes that all headers may take.
    max_bytes: usize,
}

#[derive(Default)]
struct Table {
    headers: ScopeHeaders,
    bytes: usize,
    /// Index by encoded header. Never more than `MAX_SCOPES` entries.
    indices: HashMap<Arc<[u8]>, u32>,
}

impl ScopeTable {
    /// An empty table for `max_bytes` bytes of headers.
    pub fn new(max_bytes: usize) -> Self {
        Self { table: Arc::default(), max_bytes }
    }

    /// The index of the scope whose header [`encode_scope`](spanwise_wire::write::encode_scope)
    /// wrote, the same for equal headers. The first scope is always stored, whatever its size.
    ///
    /// `None` when the table is full or the header is too large; the caller may send such spans under
    /// index 0, as spans of the first scope.
    pub fn index(&self, header: &[u8]) -> Option<u32> {
        if header.len() > MAX_SCOPE_BYTES {
            return None;
        }
        let known = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&index) = known.indices.get(header) {
            return Some(index);
        }
        drop(known);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&index) = table.indices.get(header) {
            return Some(index);
        }
        let is_full =
            table.headers.len() >= MAX_SCOPES || table.bytes + header.len() > self.max_bytes;
        if is_full && !table.headers.is_empty() {
            return None;
        }
        let header: Arc<[u8]> = header.into();
        table.bytes += header.len();
        let index = table.headers.len() as u32;
        Arc::make_mut(&mut table.headers).push(header.clone());
        table.indices.insert(header, index);
        Some(index)
    }

    /// The header of the scope with this index; `None` for an unknown index and after a
    /// [`clear`](Self::clear).
    pub fn header(&self, index: u32) -> Option<Arc<[u8]>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.headers.get(index as usize).cloned()
    }

    /// Scopes in the table.
    pub fn len(&self) -> usize {
        self.headers().len()
    }

    /// Whether no scope is in the table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frees all headers: no span will be sent any more.
    pub fn clear(&self) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
    }

    /// The headers known now; spans made before this call refer to no other.
    pub(crate) fn headers(&self) -> ScopeHeaders {
        self.table.read().unwrap_or_else(PoisonError::into_inner).headers.clone()
    }
}

/// Prints numbers alone: headers contain attributes of the program.
impl fmt::Debug for ScopeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scopes, bytes) = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            (table.headers.len(), table.bytes)
        };
        f.debug_struct("ScopeTable")
            .field("scopes", &scopes)
            .field("bytes", &bytes)
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

/// Bytes of a scope's header, which every request with spans of the scope repeats.
const MAX_SCOPE_BYTES: usize = 8 << 10;
/// Scopes of a table.
const MAX_SCOPES: usize = 4096;
