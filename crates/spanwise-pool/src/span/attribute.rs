use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An attribute: a key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Key.
    pub key: StringValue,
    /// Value.
    pub value: Value,
}

impl Attribute {
    /// An attribute.
    pub fn new(key: impl Into<StringValue>, value: impl Into<Value>) -> Self {
        Attribute { key: key.into(), value: value.into() }
    }
}

/// What OTLP knows as an attribute's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// A double.
    F64(f64),
    /// A string.
    Text(StringValue),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values of whatever kinds.
    Array(Vec<Value>),
    /// No value: an attribute of it is none.
    Absent,
}

/// A string that is free to clear: of the program, shared (say, by an
/// [`Interner`](crate::Interner)), or owned.
#[derive(Clone)]
pub enum StringValue {
    /// Of the program.
    Static(&'static str),
    /// Shared.
    Shared(Arc<str>),
    /// Owned: an allocation each.
    Owned(String),
}

impl StringValue {
    /// The string.
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            StringValue::Static(text) => text,
            StringValue::Shared(text) => text,
            StringValue::Owned(text) => text,
        }
    }
}

impl Default for StringValue {
    fn default() -> Self {
        StringValue::Static("")
    }
}

impl Deref for StringValue {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// By content, wherever it is kept.
impl PartialEq for StringValue {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.as_str(), other.as_str());
        // Mostly the same literal or the same interned string.
        std::ptr::eq(one, other) || one == other
    }
}

impl Eq for StringValue {}

impl PartialEq<str> for StringValue {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl fmt::Debug for StringValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
