//! Events and links: heads in one list, all their attributes in another.

use std::ops::Range;

use crate::limits;
use spanwise_wire::{Attribute, LinkedContext, OwnedValue, StringValue};

/// An event of a [`PooledSpan`](crate::PooledSpan).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Name.
    pub name: &'a str,
    /// When, in nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// Attributes.
    pub attributes: &'a [Attribute],
}

/// A link of a [`PooledSpan`](crate::PooledSpan).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link<'a> {
    /// Where to.
    pub to: &'a LinkedContext,
    /// Attributes.
    pub attributes: &'a [Attribute],
}

pub(super) type Events = Heads<(StringValue, u64)>;
pub(super) type Links = Heads<LinkedContext>;

/// Heads, each with its stretch of `attributes`.
#[derive(Debug)]
pub(super) struct Heads<H> {
    heads: Vec<(H, Range<usize>)>,
    attributes: Vec<Attribute>,
}

impl<H> Default for Heads<H> {
    fn default() -> Self {
        Heads { heads: Vec::new(), attributes: Vec::new() }
    }
}

impl<H> Heads<H> {
    pub(super) fn with_capacity(heads: usize) -> Self {
        let room = limits::room(heads, size_of::<(H, Range<usize>)>());
        Heads { heads: Vec::with_capacity(room), attributes: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.attributes.clear();
    }

    /// Two attributes for each head.
    pub(super) fn shrink_to(&mut self, heads: usize) {
        self.heads.shrink_to(heads);
        self.attributes.shrink_to(heads.saturating_mul(2));
    }

    pub(super) fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<(H, Range<usize>)>()
            + self.attributes.capacity() * size_of::<Attribute>()
    }

    fn push_head(&mut self, head: H, attributes: impl IntoIterator<Item = Attribute>) {
        let start = self.attributes.len();
        // `None` is no attribute.
        let there =
            attributes.into_iter().filter(|attribute| attribute.value != OwnedValue::Absent);
        self.attributes.extend(there);
        self.heads.push((head, start..self.attributes.len()));
    }

    fn each(&self) -> impl ExactSizeIterator<Item = (&H, &[Attribute])> {
        self.heads
            .iter()
            .map(|(head, stretch)| (head, self.attributes.get(stretch.clone()).unwrap_or_default()))
    }
}

impl Events {
    pub(super) fn push(
        &mut self,
        name: StringValue,
        unix_nanos: u64,
        attributes: impl IntoIterator<Item = Attribute>,
    ) {
        self.push_head((name, unix_nanos), attributes);
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
        self.push_head(to, attributes);
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Link<'_>> {
        self.each().map(|(to, attributes)| Link { to, attributes })
    }
}
