//! Instrumentation scopes: each encoded once, spans carry its index.

use opentelemetry::InstrumentationScope;
use spanwise_ledger::{Counter, Ledger};
use spanwise_wire::write::{encode_scope, truncate};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::value::pairs;

/// The heads of all scopes by index. Cheap to clone.
pub(crate) type ScopeHeads = Arc<Vec<Arc<[u8]>>>;

/// All scopes that tracers were made for.
#[derive(Debug)]
pub(crate) struct Scopes {
    table: RwLock<Table>,
    /// Bytes that all heads may take.
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    heads: ScopeHeads,
    bytes: usize,
    /// Index by encoded head. Never more than `MAX_SCOPES` entries.
    indices: HashMap<Arc<[u8]>, u32>,
}

impl Scopes {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { table: RwLock::default(), max_bytes }
    }

    /// The index of `scope`, the same each time for equal scopes.
    ///
    /// Scope names are meant to be few. Should a program make them up without end, those beyond
    /// `MAX_SCOPES` or the bytes that all may take share the first one's index rather than grow the
    /// table, and are counted. A scope that takes more
    /// than `MAX_SCOPE_BYTES` is cut: its texts are, and its attributes are left out and counted.
    pub(crate) fn index(&self, scope: &InstrumentationScope, ledger: &Ledger) -> u32 {
        let head = encoded(scope, ledger);
        let known = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&index) = known.indices.get(&head) {
            return index;
        }
        drop(known);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&index) = table.indices.get(&head) {
            return index;
        }
        let full = table.heads.len() >= MAX_SCOPES || table.bytes + head.len() > self.max_bytes;
        if full && !table.heads.is_empty() {
            ledger.count(Counter::ScopesOverLimit, 1);
            return 0;
        }
        table.bytes += head.len();
        let index = table.heads.len() as u32;
        Arc::make_mut(&mut table.heads).push(head.clone());
        table.indices.insert(head, index);
        index
    }

    /// Forgets all: no span will be sent any more.
    pub(crate) fn clear(&self) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
    }

    /// The heads known now; spans made before this call have no other.
    pub(crate) fn heads(&self) -> ScopeHeads {
        self.table.read().unwrap_or_else(PoisonError::into_inner).heads.clone()
    }
}

fn encoded(scope: &InstrumentationScope, ledger: &Ledger) -> Arc<[u8]> {
    let version = scope.version().unwrap_or_default();
    let schema_url = scope.schema_url().unwrap_or_default();
    let texts = [scope.name(), version, schema_url].map(str::len).iter().sum::<usize>();
    if texts <= MAX_SCOPE_BYTES {
        let attributes = pairs(scope.attributes());
        let head = encode_scope(scope.name(), version, attributes, schema_url);
        if head.len() <= MAX_SCOPE_BYTES {
            return head.into();
        }
    }
    let left_out = scope.attributes().count() as u64;
    if left_out > 0 {
        ledger.count(Counter::DroppedAttributes, left_out);
    }
    let [name, version, schema_url] =
        [scope.name(), version, schema_url].map(|text| truncate(text, MAX_SCOPE_CHARS));
    let none: [(&str, &str); 0] = [];
    encode_scope(name, version, none, schema_url).into()
}

/// What the head of a scope takes in every request that has spans of it.
const MAX_SCOPE_BYTES: usize = 8 * 1024;
/// Characters, of up to four bytes, that three texts keep when they are cut.
const MAX_SCOPE_CHARS: usize = 512;
/// Scopes at most.
const MAX_SCOPES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scopes_share_an_index() {
        let scopes = Scopes::new(1 << 30);
        let named = |name: &'static str| InstrumentationScope::builder(name).build();
        let versioned = InstrumentationScope::builder("a").with_version("1").build();
        let indices: Vec<_> = [named("a"), named("b"), named("a"), versioned]
            .iter()
            .map(|scope| scopes.index(scope, &Ledger::new()))
            .collect();
        assert_eq!(indices, [0, 1, 0, 2]);
        assert_eq!(scopes.heads().len(), 3);
    }

    #[test]
    fn the_table_is_bounded() {
        let scopes = Scopes::new(1 << 30);
        for i in 0..MAX_SCOPES + 10 {
            let scope = InstrumentationScope::builder(format!("scope {i}")).build();
            scopes.index(&scope, &Ledger::new());
        }
        assert_eq!(scopes.heads().len(), MAX_SCOPES);
    }
}
