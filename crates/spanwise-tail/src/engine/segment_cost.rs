//! The memory that is charged for a segment of spans.

/// Charges segments, and for a span that is larger than a request also its two copies on the way out: the buffers of the writer, which
/// are charged from the start, are those of a usual request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentCost {
    /// A larger segment has a span beyond the size of a request.
    largest_usual: usize,
    overhead: usize,
}

impl SegmentCost {
    /// The cost of segments that have at least `usual` bytes, with `overhead` for each.
    pub(super) fn new(usual: usize, overhead: usize, max_request_bytes: usize) -> Self {
        Self { largest_usual: usual.max(max_request_bytes), overhead }
    }

    /// The bytes for a segment of `capacity`.
    pub(super) fn of(self, capacity: usize) -> usize {
        let copies = if self.is_large(capacity) { 2 } else { 0 };
        capacity.saturating_mul(1 + copies).saturating_add(self.overhead)
    }

    /// Whether a span of `len` bytes is charged with its copies.
    pub(crate) fn is_large(self, len: usize) -> bool {
        len > self.largest_usual
    }
}
