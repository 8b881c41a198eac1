//! The policy of a decision as attributes of instrumentation scopes (`record_policy`).

use spanwise_wire::read::{Field, FieldValue, Fields};
use spanwise_wire::write::{put_varint, varint_len};

/// Attributes for the scopes of spans that leave. Empty: scopes leave as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PolicyRecord {
    /// As fields of an `InstrumentationScope`.
    fields: Vec<u8>,
    keys: [Option<&'static str>; 3],
}

impl PolicyRecord {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.keys = [None; 3];
    }

    /// The policy that sampled a trace, its sub-policy of `composite`, and whether the decision was made before the spans arrived.
    pub(crate) fn set(&mut self, policy: Option<&str>, composite: Option<&str>, is_cached: bool) {
        self.clear();
        if let Some(name) = composite {
            self.put(COMPOSITE_POLICY, STRING_VALUE, name.as_bytes());
        }
        if let Some(name) = policy {
            self.put(POLICY, STRING_VALUE, name.as_bytes());
        }
        if is_cached {
            self.put(CACHED_DECISION, BOOL_VALUE, &[]);
        }
        self.keys = [
            composite.map(|_| COMPOSITE_POLICY),
            policy.map(|_| POLICY),
            is_cached.then_some(CACHED_DECISION),
        ];
    }

    fn put(&mut self, key: &str, kind: u8, value: &[u8]) {
        // AnyValue.bool_value is a varint.
        let value_len = if kind == BOOL_VALUE { 2 } else { field_len(value.len()) };
        let out = &mut self.fields;
        out.push(ATTRIBUTES_KEY);
        put_varint(out, (field_len(key.len()) + field_len(value_len)) as u64);
        out.push(KEY);
        put_varint(out, key.len() as u64);
        out.extend_from_slice(key.as_bytes());
        out.push(VALUE);
        put_varint(out, value_len as u64);
        out.push(kind);
        if kind == BOOL_VALUE {
            out.push(1);
        } else {
            put_varint(out, value.len() as u64);
            out.extend_from_slice(value);
        }
    }

    /// The attributes as fields of an `InstrumentationScope`.
    pub(crate) fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// Passes the pieces of an encoded scope with these attributes to `piece`, without those that they replace.
    pub(crate) fn each_piece<'s>(&'s self, scope: &'s [u8], mut piece: impl FnMut(&'s [u8])) {
        if self.fields.is_empty() {
            return piece(scope);
        }
        let mut fields = Fields::new(scope);
        let mut start = 0;
        while let Some(field) = fields.next() {
            // Nothing follows a malformed field.
            let end = if field.is_ok() { scope.len() - fields.rest().len() } else { scope.len() };
            if !field.is_ok_and(|field| self.replaces(field)) {
                piece(scope.get(start..end).unwrap_or_default());
            }
            start = end;
        }
        piece(&self.fields);
    }

    /// Bytes of the pieces.
    pub(crate) fn scope_len(&self, scope: &[u8]) -> usize {
        let mut len = 0;
        self.each_piece(scope, |piece| len += piece.len());
        len
    }

    fn replaces(&self, field: Field<'_>) -> bool {
        let Field { number: ATTRIBUTES, value: FieldValue::Bytes(attribute) } = field else {
            return false;
        };
        let key = Fields::new(attribute).filter_map(Result::ok).find_map(|field| match field {
            Field { number: 1, value: FieldValue::Bytes(key) } => Some(key),
            _ => None,
        });
        key.is_some_and(|key| self.keys.iter().flatten().any(|known| known.as_bytes() == key))
    }
}

fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

const POLICY: &str = "tailsampling.policy";
const COMPOSITE_POLICY: &str = "tailsampling.composite_policy";
const CACHED_DECISION: &str = "tailsampling.cached_decision";

/// `InstrumentationScope.attributes`.
const ATTRIBUTES: u32 = 3;
const ATTRIBUTES_KEY: u8 = 0x1a;
// Keys of `KeyValue`, and of `AnyValue`.
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
const STRING_VALUE: u8 = 0x0a;
const BOOL_VALUE: u8 = 0x10;
