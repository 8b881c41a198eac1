//! [`Division`]: the parts of a request that a destination refuses as too large, or because of some of its spans.

use super::queue::Queue;
use crate::rejection::Rejection;
use spanwise_export::sans_io::is_too_large;
use spanwise_transport::{Delivery, PREFIX};
use spanwise_wire::RequestLimits;
use std::ops::Range;

/// The limits of the next part of a request.
pub(super) struct Division {
    max_spans: u64,
    max_bytes: usize,
    /// Rejections because of spans for which the request is divided still, once there was one.
    left: Option<u32>,
    /// The end of the smallest part that was refused: it has a span that is not accepted.
    refused_until: u64,
    /// The end of the spans that the destination may have, because of attempts for more of them at once.
    ambiguous_until: u64,
}

impl Division {
    pub(super) fn of_whole(spans: u64) -> Self {
        let (left, refused_until, ambiguous_until) = (None, 0, 0);
        Self { max_spans: spans, max_bytes: usize::MAX, left, refused_until, ambiguous_until }
    }

    /// Halves a limit behind the refusal of a part of several spans, which has `bytes` bytes. Returns whether a smaller part may be accepted.
    pub(super) fn lower(
        &mut self,
        (delivery, rejection): (&Delivery, Option<Rejection>),
        part: &Range<u64>,
        bytes: usize,
        queue: &Queue,
    ) -> bool {
        let spans = part.end - part.start;
        if spans < 2 {
            return false;
        }
        if is_too_large(delivery) {
            queue.note(delivery, rejection);
            self.max_bytes = bytes / 2;
        } else if rejection == Some(Rejection::Content) {
            let left = self.left.get_or_insert_with(|| queue.divisions());
            let Some(less) = left.checked_sub(1) else { return false };
            *left = less;
            queue.note(delivery, rejection);
            (self.max_spans, self.refused_until) = (spans / 2, part.end);
        } else {
            return false;
        }
        if delivery.may_have_been_accepted() {
            self.set_ambiguous_until(part.end);
        }
        true
    }

    /// The destination may have the spans up to this one, from an attempt for them all.
    pub(super) fn set_ambiguous_until(&mut self, end: u64) {
        self.ambiguous_until = self.ambiguous_until.max(end);
    }

    /// A part of this many spans at most is next, behind one that was accepted or lost and ended at `end`.
    pub(super) fn advance(&mut self, end: u64, was_accepted: bool) {
        let with_bad_span = self.refused_until.saturating_sub(end);
        self.max_spans = match was_accepted && with_bad_span > 0 {
            // All of it would be refused again.
            true => (with_bad_span / 2).max(1),
            false => self.max_spans.saturating_mul(2),
        };
        if !was_accepted {
            self.refused_until = end;
        }
    }

    /// Whether the destination may have this span.
    pub(super) fn is_ambiguous_at(&self, span: u64) -> bool {
        span < self.ambiguous_until
    }

    /// Whether a part was too large.
    pub(super) fn is_by_size(&self) -> bool {
        self.max_bytes != usize::MAX
    }

    /// The spans that are left are one part, which is not divided to find those that are refused.
    pub(super) fn rest_as_it_is(&mut self) {
        (self.max_spans, self.left) = (u64::MAX, Some(0));
    }

    pub(super) fn limits(&self) -> RequestLimits {
        RequestLimits::default()
            .with_prefix(PREFIX)
            .with_max_spans(usize::try_from(self.max_spans).unwrap_or(usize::MAX))
            .with_max_bytes(self.max_bytes)
    }
}
