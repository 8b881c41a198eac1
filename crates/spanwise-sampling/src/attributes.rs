//! The initial attributes of a span, as samplers read them.

use spanwise_wire::Value;

/// Attributes with a lookup by key (specification, *ShouldSample*: initial `Attributes`).
pub trait Attributes {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<Value<'_>>;
}

impl Attributes for &[(&str, Value<'_>)] {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        self.iter().find_map(|(name, value)| (*name == key).then_some(*value))
    }
}

/// An empty set of attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttributes;

impl Attributes for NoAttributes {
    fn get(&self, _key: &str) -> Option<Value<'_>> {
        None
    }
}
