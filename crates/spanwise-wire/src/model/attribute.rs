use super::{OwnedValue, StringValue, Value};

/// An attribute: a key and the value it owns (specification, *Attribute*).
///
/// Functions that only read an attribute take the borrowed pair `(&str, Value)`, which
/// [`as_pair`](Self::as_pair) returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Key.
    pub key: StringValue,
    /// Value.
    pub value: OwnedValue,
}

impl Attribute {
    /// The attribute `key` with `value`.
    pub fn new(key: impl Into<StringValue>, value: impl Into<OwnedValue>) -> Self {
        Self { key: key.into(), value: value.into() }
    }

    /// The same attribute, borrowed.
    #[inline]
    pub fn as_pair(&self) -> (&str, Value<'_>) {
        (self.key.as_str(), Value::from(&self.value))
    }
}
