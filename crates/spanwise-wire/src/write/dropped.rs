//! Counts of the data that the limits dropped.

/// The kind of data that a limit drops.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    Attributes,
    /// Attributes of events and links, whose own fields have the counts too.
    InnerAttributes,
    Events,
    Links,
    /// Characters of a value, a name, a status message.
    Characters,
}

/// Counters by [`Dropped`].
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct DroppedCounters {
    pub(super) attributes: u32,
    pub(super) inner_attributes: u32,
    pub(super) events: u32,
    pub(super) links: u32,
    pub(super) characters: u32,
}

impl DroppedCounters {
    pub(super) fn add(&mut self, kind: Dropped, count: u32) {
        let counter = match kind {
            Dropped::Attributes => &mut self.attributes,
            Dropped::InnerAttributes => &mut self.inner_attributes,
            Dropped::Events => &mut self.events,
            Dropped::Links => &mut self.links,
            Dropped::Characters => &mut self.characters,
        };
        *counter = counter.saturating_add(count);
    }
}

impl From<DroppedCounters> for DroppedCounts {
    fn from(counters: DroppedCounters) -> Self {
        let DroppedCounters { attributes, inner_attributes, events, links, characters } = counters;
        Self {
            attributes: attributes.saturating_add(inner_attributes),
            events,
            links,
            truncated_values: characters,
        }
    }
}

/// Counts of the data that the limits dropped from a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DroppedCounts {
    /// Dropped attributes, of the span and of its events and links.
    pub attributes: u32,
    /// Dropped events.
    pub events: u32,
    /// Dropped links.
    pub links: u32,
    /// Values, names and status messages that were cut to their length limits.
    pub truncated_values: u32,
}

impl DroppedCounts {
    /// Whether all counts are 0.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.attributes | self.events | self.links | self.truncated_values == 0
    }
}
