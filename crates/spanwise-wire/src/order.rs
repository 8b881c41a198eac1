//! Rewrites an encoded request with each resource, scope and trace in one place.

mod groups;
mod keys;

use crate::read::WireError;
use groups::Groups;

/// Rewrites encoded `ExportTraceServiceRequest`s in an order that an index or a store reads in one piece: the spans
/// of a trace side by side, in one group for each scope and each resource.
///
/// Resources, scopes and traces are in the order in which they appear first, and the spans of a trace stay in their
/// order. No span, field or attribute is lost or changed: groups are merged whose other fields are equal byte for
/// byte. A second rewrite changes nothing.
///
/// # Cost
/// Spans are copied, and parsed for their trace id alone; [`with_sorted_keys`](Self::with_sorted_keys) also parses
/// the keys of their attributes. Memory beside the output: up to 64 bytes for each span.
///
/// ```
/// use spanwise_wire::RequestOrder;
///
/// // Two resource_spans { scope_spans { spans {} } } become one with two spans.
/// let request = [0x0a, 4, 0x12, 2, 0x12, 0, 0x0a, 4, 0x12, 2, 0x12, 0];
/// let mut ordered = Vec::new();
/// assert_eq!(RequestOrder::new().rewrite(&request, &mut ordered)?, 2);
/// assert_eq!(ordered, [0x0a, 6, 0x12, 4, 0x12, 0, 0x12, 0]);
/// # Ok::<(), spanwise_wire::read::WireError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestOrder {
    sorts_keys: bool,
}

impl RequestOrder {
    /// Groups spans by resource, scope and trace, and leaves the bytes of each span unchanged.
    pub const fn new() -> Self {
        Self { sorts_keys: false }
    }

    /// Sets whether the attributes of each span are also sorted by key; default false. It compresses spans better
    /// whose code sets attributes in an order that differs from span to span, and costs time elsewhere.
    ///
    /// Entries of one key stay in their order: the last one counts. A span whose attributes cannot be parsed is
    /// copied unchanged. Attributes of events, links, scopes and resources stay in their order.
    pub const fn with_sorted_keys(mut self, sorts_keys: bool) -> Self {
        self.sorts_keys = sorts_keys;
        self
    }

    /// Appends `message`, an `ExportTraceServiceRequest`, to `out` in this order, and returns the number of its
    /// spans. It is never longer than before.
    ///
    /// # Errors
    /// [`WireError`] if the framing of groups and spans is malformed; `out` is unchanged then. A span that is
    /// malformed inside is no error: it counts as one of the trace without an id.
    pub fn rewrite(&self, message: &[u8], out: &mut Vec<u8>) -> Result<u64, WireError> {
        let groups = Groups::parse(message)?;
        let spans = groups.spans();
        groups.ordered().write(self.sorts_keys, out);
        Ok(spans)
    }
}
