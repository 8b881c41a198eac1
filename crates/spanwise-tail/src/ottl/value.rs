//! Values of conditions, borrowed from the span where possible.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use spanwise_wire::read::{ArrayView, Attributes, KvListView, ValueView};

use super::lexer::Comparison;

#[derive(Clone)]
pub(crate) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A trace id or a span id.
    Id(Cow<'a, [u8]>),
    Array(ArrayView<'a>),
    List(Vec<Value<'a>>),
    KvList(KvListView<'a>),
    /// All attributes of a span, an event, a resource or a scope.
    Attributes(Attributes<'a>),
}

/// A value that is copied without an allocation.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
}

impl<'a> Scalar<'a> {
    /// The value of an attribute; `None` for bytes, lists and maps.
    #[inline]
    pub(crate) fn of(view: Option<ValueView<'a>>) -> Option<Self> {
        Some(match view {
            None | Some(ValueView::Empty) => Self::Nil,
            Some(ValueView::Str(text)) => Self::Str(text),
            Some(ValueView::Bool(value)) => Self::Bool(value),
            Some(ValueView::I64(number)) => Self::Int(number),
            Some(ValueView::F64(number)) => Self::Double(number),
            Some(_) => return None,
        })
    }

    /// As [`Value::compare`].
    #[inline]
    pub(crate) fn compare(&self, comparison: Comparison, other: &Self) -> bool {
        let ordering = match (self, other) {
            // Most conditions are of this kind; strings of unequal lengths are not read.
            (Self::Str(a), Self::Str(b)) => match comparison {
                Comparison::Equal => return a == b,
                Comparison::NotEqual => return a != b,
                _ => Some(a.as_bytes().cmp(b.as_bytes())),
            },
            (Self::Nil, Self::Nil) => Some(Ordering::Equal),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::Double(a), Self::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            _ => None,
        };
        comparison.holds(ordering)
    }
}

impl Comparison {
    /// Whether the comparison holds between values in this order; values without an order are unequal.
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Equal => ordering == Some(Ordering::Equal),
            Self::NotEqual => ordering != Some(Ordering::Equal),
            Self::Less => ordering == Some(Ordering::Less),
            Self::Greater => ordering == Some(Ordering::Greater),
            Self::LessOrEqual => ordering.is_some_and(Ordering::is_le),
            Self::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        }
    }
}

impl<'a> From<ValueView<'a>> for Value<'a> {
    fn from(view: ValueView<'a>) -> Self {
        match view {
            ValueView::Str(text) => Self::Str(Cow::Borrowed(text)),
            ValueView::Bool(value) => Self::Bool(value),
            ValueView::I64(number) => Self::Int(number),
            ValueView::F64(number) => Self::Double(number),
            ValueView::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            ValueView::Array(array) => Self::Array(array),
            ValueView::KvList(map) => Self::KvList(map),
            _ => Self::Nil,
        }
    }
}

impl<'a> From<Option<ValueView<'a>>> for Value<'a> {
    fn from(view: Option<ValueView<'a>>) -> Self {
        view.map_or(Self::Nil, Self::from)
    }
}

impl<'a> Value<'a> {
    /// The elements of a list; `None` for another type. They are read one by one: a hostile list has millions.
    pub(crate) fn elements(&self) -> Option<Box<dyn Iterator<Item = Value<'a>> + '_>> {
        match self {
            Self::List(values) => Some(Box::new(values.iter().cloned())),
            Self::Array(array) => {
                Some(Box::new(array.iter().filter_map(Result::ok).map(Self::from)))
            }
            _ => None,
        }
    }

    /// The entries of a map; `None` for another type.
    pub(crate) fn entries(&self) -> Option<Attributes<'a>> {
        match self {
            Self::KvList(map) => Some(map.iter()),
            Self::Attributes(attributes) => Some(attributes.clone()),
            _ => None,
        }
    }

    /// The name of the type in messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Double(_) => "float64",
            Self::Str(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Id(_) => "id",
            Self::Array(_) | Self::List(_) => "list",
            Self::KvList(_) | Self::Attributes(_) => "map",
        }
    }

    /// Compares by OTTL's rules: numbers with numbers, each other type with itself; only `!=` holds between other pairs.
    pub(crate) fn compare(&self, comparison: Comparison, other: &Self) -> bool {
        if let (Some(a), Some(b)) = (self.scalar(), other.scalar()) {
            return a.compare(comparison, &b);
        }
        if let (Self::Bytes(a), Self::Bytes(b)) = (self, other) {
            return comparison.holds(Some(a.cmp(b)));
        }
        match comparison {
            Comparison::Equal => self.is_same(other),
            Comparison::NotEqual => !self.is_same(other),
            _ => false,
        }
    }

    fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Nil => Scalar::Nil,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(number) => Scalar::Int(*number),
            Self::Double(number) => Scalar::Double(*number),
            Self::Str(text) => Scalar::Str(text),
            _ => return None,
        })
    }

    /// Equality of ids, lists and maps, which have no order.
    fn is_same(&self, other: &Self) -> bool {
        if let (Self::Id(a), Self::Id(b)) = (self, other) {
            return a == b;
        }
        if let (Some(mut a), Some(mut b)) = (self.elements(), other.elements()) {
            return loop {
                match (a.next(), b.next()) {
                    (None, None) => break true,
                    (Some(a), Some(b)) if a.compare(Comparison::Equal, &b) => {}
                    _ => break false,
                }
            };
        }
        if let (Some(a), Some(b)) = (self.entries(), other.entries()) {
            // Hashed: the maps of a hostile span may have thousands of entries.
            let hashed = |entries: Attributes<'a>| -> HashMap<&str, ValueView<'_>> {
                entries.filter_map(Result::ok).take(MAX_ENTRIES + 1).collect()
            };
            let (a, b) = (hashed(a), hashed(b));
            return a.len() == b.len()
                && a.len() <= MAX_ENTRIES
                && a.iter().all(|(key, value)| {
                    let other = b.get(key).copied();
                    other.is_some_and(|other| {
                        Self::from(*value).compare(Comparison::Equal, &Self::from(other))
                    })
                });
        }
        false
    }
}

/// Larger maps are equal to none: comparing them would take much memory.
const MAX_ENTRIES: usize = 10_000;
