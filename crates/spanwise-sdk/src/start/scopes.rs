//! Instrumentation scopes: the table encodes each once, and spans have its index.

use crate::redaction::SpanRedaction;
use crate::value::pairs;
use opentelemetry::InstrumentationScope;
use spanwise_export::ScopeTable;
use spanwise_ledger::{Counter, Ledger};
use spanwise_wire::write::{encode_scope, truncate};
use std::sync::Arc;

/// The instrumentation scope of a tracer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TracerScope {
    /// Index in [`Scopes`].
    pub(crate) index: u32,
    /// The scope's name, for samplers.
    pub(crate) name: Arc<str>,
}

/// The instrumentation scopes of all tracers.
#[derive(Debug)]
pub(crate) struct Scopes {
    table: ScopeTable,
}

impl Scopes {
    pub(crate) fn new(table: ScopeTable) -> Self {
        Self { table }
    }

    /// The index of `scope`, the same each time for equal scopes.
    ///
    /// The table is bounded: scopes beyond its bounds share the index of the first one, and the ledger
    /// counts them. Of a scope above `MAX_SCOPE_BYTES` the table truncates the texts, and drops and
    /// counts the attributes.
    pub(crate) fn index(
        &self,
        scope: &InstrumentationScope,
        ledger: &Ledger,
        redaction: Option<&SpanRedaction>,
    ) -> u32 {
        let encoded = encoded(scope, ledger);
        let encoded = match redaction {
            Some(redaction) => redaction.scope(&encoded).into(),
            None => encoded,
        };
        self.table.index(&encoded).unwrap_or_else(|| {
            ledger.count(Counter::ScopesOverLimit, 1);
            0
        })
    }

    /// The encoded scope of this index.
    pub(crate) fn header(&self, index: u32) -> Option<Arc<[u8]>> {
        self.table.header(index)
    }
}

fn encoded(scope: &InstrumentationScope, ledger: &Ledger) -> Arc<[u8]> {
    let version = scope.version().unwrap_or_default();
    let schema_url = scope.schema_url().unwrap_or_default();
    let texts = [scope.name(), version, schema_url].map(str::len).iter().sum::<usize>();
    if texts <= MAX_SCOPE_BYTES {
        let attributes = pairs(scope.attributes());
        let header = encode_scope(scope.name(), version, attributes, schema_url);
        if header.len() <= MAX_SCOPE_BYTES {
            return header.into();
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

/// Bytes of the header of a scope, which every request with spans of the scope repeats.
const MAX_SCOPE_BYTES: usize = 8 * 1024;
/// Characters, of up to four bytes, that each of the three texts of a truncated scope retains.
const MAX_SCOPE_CHARS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scopes_share_an_index() {
        let scopes = Scopes::new(ScopeTable::new(1 << 30));
        let named = |name: &'static str| InstrumentationScope::builder(name).build();
        let versioned = InstrumentationScope::builder("a").with_version("1").build();
        let indices: Vec<_> = [named("a"), named("b"), named("a"), versioned]
            .iter()
            .map(|scope| scopes.index(scope, &Ledger::new(), None))
            .collect();
        assert_eq!(indices, [0, 1, 0, 2]);
        assert_eq!(scopes.table.len(), 3);
    }

    #[test]
    fn the_table_is_bounded() {
        let scopes = Scopes::new(ScopeTable::new(1 << 30));
        for i in 0..4096 + 10 {
            let scope = InstrumentationScope::builder(format!("scope {i}")).build();
            scopes.index(&scope, &Ledger::new(), None);
        }
        assert_eq!(scopes.table.len(), 4096);
    }
}
