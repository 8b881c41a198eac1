//! A string that an attribute owns or shares.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A string value or an attribute key: a literal, a shared `Arc<str>` (for example from an
/// interner), or an owned `String`. Dropping the first two frees no memory of the span.
///
/// ```
/// use spanwise_wire::StringValue;
///
/// let (literal, owned) = (StringValue::from("GET"), StringValue::from(String::from("GET")));
/// assert_eq!(literal, owned);
/// assert_eq!(literal.len(), 3);
/// ```
#[derive(Clone)]
pub enum StringValue {
    /// A string of the program itself.
    Static(&'static str),
    /// A shared string.
    Shared(Arc<str>),
    /// An owned string: one allocation.
    Owned(String),
}

impl StringValue {
    /// The string.
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl Default for StringValue {
    fn default() -> Self {
        Self::Static("")
    }
}

impl Deref for StringValue {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for StringValue {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Compares the text, not the kind of storage.
impl PartialEq for StringValue {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.as_str(), other.as_str());
        // Two keys are mostly the same literal or the same interned string.
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
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for StringValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl From<&'static str> for StringValue {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<Arc<str>> for StringValue {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<&Arc<str>> for StringValue {
    fn from(text: &Arc<str>) -> Self {
        Self::Shared(text.clone())
    }
}

impl From<String> for StringValue {
    fn from(text: String) -> Self {
        Self::Owned(text)
    }
}

impl From<&String> for StringValue {
    fn from(text: &String) -> Self {
        Self::Owned(text.clone())
    }
}

impl From<Box<str>> for StringValue {
    fn from(text: Box<str>) -> Self {
        Self::Owned(text.into())
    }
}

impl From<Cow<'static, str>> for StringValue {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Static(text),
            Cow::Owned(text) => Self::Owned(text),
        }
    }
}

impl From<StringValue> for String {
    fn from(text: StringValue) -> Self {
        match text {
            StringValue::Owned(text) => text,
            other => other.as_str().to_owned(),
        }
    }
}
