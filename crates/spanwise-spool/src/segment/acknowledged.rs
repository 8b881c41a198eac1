//! The acknowledged records of a segment.

use std::collections::BTreeMap;
use std::ops::Range;

/// The acknowledged records of a segment: all before a number, and some behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Every record before this one is acknowledged, lost or has no spans.
    first_open: u32,
    /// Spans of the acknowledged records before `first_open`.
    spans_before: u64,
    /// Records behind it, with their spans. As many as are being delivered at the same time at most.
    later: BTreeMap<u32, u64>,
    later_spans: u64,
}

impl Acknowledged {
    pub(crate) fn restore(first_open: u32, spans_before: u64) -> Self {
        Self { first_open, spans_before, ..Self::default() }
    }

    /// Adds a record; `false` if it was there already.
    pub(crate) fn add(&mut self, record: u32, spans: u64) -> bool {
        if self.contains(record) {
            return false;
        }
        self.later.insert(record, spans);
        self.later_spans += spans;
        while let Some(spans) = self.later.remove(&self.first_open) {
            self.first_open += 1;
            self.later_spans -= spans;
            self.spans_before += spans;
        }
        true
    }

    pub(crate) fn contains(&self, record: u32) -> bool {
        record < self.first_open || self.later.contains_key(&record)
    }

    pub(crate) fn first_open(&self) -> u32 {
        self.first_open
    }

    /// Spans of the acknowledged records before [`first_open`](Self::first_open).
    pub(crate) fn spans_before(&self) -> u64 {
        self.spans_before
    }

    /// Spans of the acknowledged records among `records`, whose spans are those of the segment in the range `spans`.
    pub(crate) fn spans_within(&self, records: &Range<u32>, spans: Range<u64>) -> u64 {
        // All records before `first_open` are settled, so that their sum is a place in the segment.
        let before = match self.first_open >= records.end {
            true => spans.end,
            false if self.first_open > records.start => {
                self.spans_before.clamp(spans.start, spans.end)
            }
            false => spans.start,
        };
        let later = self.later.range(records.clone()).map(|(_, spans)| spans).sum::<u64>();
        (before - spans.start).saturating_add(later)
    }

    /// Spans of all acknowledged records.
    pub(crate) fn spans(&self) -> u64 {
        self.spans_before + self.later_spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_acknowledged_in_any_order_and_once() {
        let mut acknowledged = Acknowledged::default();
        assert!(acknowledged.add(1, 10));
        assert_eq!((acknowledged.first_open(), acknowledged.spans_before()), (0, 0));
        assert!(!acknowledged.add(1, 10));
        assert!(acknowledged.add(0, 5));
        assert!(!acknowledged.add(0, 5));
        assert_eq!((acknowledged.first_open(), acknowledged.spans_before()), (2, 15));
        assert!(acknowledged.add(3, 1));
        assert_eq!(acknowledged.spans(), 16);
        assert!(!acknowledged.contains(2));
    }

    #[test]
    fn the_settled_spans_of_a_gap_are_those_of_its_acknowledged_records() {
        // Records of 10 spans: 0 to 2 and 5 are acknowledged.
        let mut acknowledged = Acknowledged::restore(3, 30);
        acknowledged.add(5, 10);
        let within = |records: Range<u32>| {
            let spans = u64::from(records.start) * 10..u64::from(records.end) * 10;
            acknowledged.spans_within(&records, spans)
        };
        assert_eq!([within(0..2), within(0..3), within(1..5), within(2..7)], [20, 30, 20, 20]);
        assert_eq!([within(3..5), within(4..6), within(6..9), within(5..6)], [0, 10, 0, 10]);
    }
}
