//! Events and links: the entries in one list, the attributes of all entries in another.

use std::ops::Range;

use crate::limits;
use spanwise_wire::{Attribute, LinkedContext, OwnedValue, StringValue};

/// An event of a [`PooledSpan`](crate::PooledSpan).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Name.
    pub name: &'a str,
    /// Time, in nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// Attributes.
    pub attributes: &'a [Attribute],
}

/// A link of a [`PooledSpan`](crate::PooledSpan).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link<'a> {
    /// The linked context.
    pub to: &'a LinkedContext,
    /// Attributes.
    pub attributes: &'a [Attribute],
}

pub(super) type Events = Entries<(StringValue, u64)>;
pub(super) type Links = Entries<LinkedContext>;

/// Entries, each with its range of `attributes`.
#[derive(Debug)]
pub(super) struct Entries<E> {
    entries: Vec<(E, Range<usize>)>,
    attributes: Vec<Attribute>,
}

impl<E> Default for Entries<E> {
    fn default() -> Self {
        Entries { entries: Vec::new(), attributes: Vec::new() }
    }
}

impl<E> Entries<E> {
    pub(super) fn with_capacity(entries: usize) -> Self {
        let capacity = limits::max_reserved(entries, size_of::<(E, Range<usize>)>());
        Entries { entries: Vec::with_capacity(capacity), attributes: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.attributes.clear();
    }

    /// Retains capacity for two attributes per entry.
    pub(super) fn shrink_to(&mut self, entries: usize) {
        self.entries.shrink_to(entries);
        self.attributes.shrink_to(entries.saturating_mul(2));
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(E, Range<usize>)>()
            + self.attributes.capacity() * size_of::<Attribute>()
    }

    fn push_entry(&mut self, entry: E, attributes: impl IntoIterator<Item = Attribute>) {
        let start = self.attributes.len();
        // An absent value sets no attribute.
        let present =
            attributes.into_iter().filter(|attribute| attribute.value != OwnedValue::Absent);
        self.attributes.extend(present);
        self.entries.push((entry, start..self.attributes.len()));
    }

    fn each(&self) -> impl ExactSizeIterator<Item = (&E, &[Attribute])> {
        self.entries
            .iter()
            .map(|(entry, range)| (entry, self.attributes.get(range.clone()).unwrap_or_default()))
    }
}

impl Events {
    pub(super) fn push(
        &mut self,
        name: StringValue,
        unix_nanos: u64,
        attributes: impl IntoIterator<Item = Attribute>,
    ) {
        self.push_entry((name, unix_nanos), attributes);
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.each().map(|((name, unix_nanos), attributes)| Event {
            name,
            unix_nanos: *unix_nanos,
            attributes,
        })
    }
}

impl Links {
    pub(super) fn push(
        &mut self,
        to: LinkedContext,
        attributes: impl IntoIterator<Item = Attribute>,
    ) {
        self.push_entry(to, attributes);
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Link<'_>> {
        self.each().map(|(to, attributes)| Link { to, attributes })
    }
}
