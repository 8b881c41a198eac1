//! Removes segments: delivered, expired, or evicted for newer ones.

use std::time::SystemTime;

use super::Spool;
use crate::RecordId;
use crate::lookup::index_file_name;
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::stats::Loss;
use crate::storage::Storage;
use crate::time::unix_seconds;

impl<S: Storage> Spool<S> {
    /// Removes the segments whose records are all older than
    /// [`max_age`](crate::SpoolSettings::max_age); their spans become [losses](Self::take_losses). Appends
    /// and syncs do that, too: call it while there are none.
    pub fn expire(&mut self, now: SystemTime) {
        self.retain(now, 0);
    }

    /// Removes expired segments, and the oldest ones until `incoming` bytes have space.
    pub(super) fn retain(&mut self, now: SystemTime, incoming: u64) {
        let oldest = unix_seconds(now)
            .saturating_sub(u32::try_from(self.settings.max_age.as_secs()).unwrap_or(u32::MAX));
        let is_expired = |appended: u32| appended < oldest;
        self.close_stored(|segment| is_expired(segment.appended_unix_seconds));
        let expired: Vec<u64> = self
            .segments
            .iter()
            .filter(|(_, segment)| segment.is_complete && is_expired(segment.appended_unix_seconds))
            .map(|(&number, _)| number)
            .collect();
        let mut is_removed = !expired.is_empty();
        for number in expired {
            self.lose_segment(number, Loss::Expired);
        }
        // A sum of its own: a lower maximum can evict thousands of segments.
        let mut bytes = self.disk_bytes().saturating_add(incoming);
        while bytes > self.settings.max_bytes {
            let oldest = self.segments.iter().find(|(_, segment)| segment.is_complete);
            match oldest.map(|(&number, segment)| (number, segment.disk_bytes())) {
                Some((number, freed)) => {
                    self.lose_segment(number, Loss::Evicted);
                    (bytes, is_removed) = (bytes.saturating_sub(freed), true);
                }
                // The active segment is the only one.
                None if self.close_stored(|_| true) => {
                    bytes = self.disk_bytes().saturating_add(incoming);
                }
                None => break,
            }
        }
        if is_removed {
            self.sync_removals();
        }
    }

    /// Removes a segment if all of its spans are acknowledged or accounted as lost.
    pub(super) fn remove_if_delivered(&mut self, number: u64) -> bool {
        let is_removed = self.unlink_if_delivered(number);
        if is_removed {
            self.sync_removals();
        }
        is_removed
    }

    /// As [`remove_if_delivered`](Self::remove_if_delivered), for all segments, with one sync of the directory.
    pub(super) fn remove_delivered(&mut self) {
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        let removed = numbers.into_iter().filter(|&number| self.unlink_if_delivered(number));
        if removed.count() > 0 {
            self.sync_removals();
        }
    }

    fn unlink_if_delivered(&mut self, number: u64) -> bool {
        let Some(segment) = self.segments.get(&number) else { return false };
        #[cfg(feature = "planted-bugs")]
        if planted(SpoolBug::SegmentRemovedEarly) && segment.is_complete {
            self.remove_segment(number);
            return true;
        }
        if segment.live_spans() > 0 || !segment.is_complete || self.outstanding_spans(number) > 0 {
            return false;
        }
        self.remove_segment(number);
        true
    }

    pub(super) fn count_loss(&mut self, loss: Loss, spans: u64) {
        #[cfg(feature = "planted-bugs")]
        if planted(SpoolBug::EvictionUncounted) && loss == Loss::Evicted {
            return;
        }
        self.losses.add(loss, spans);
        self.stats.losses.add(loss, spans);
    }

    /// Completes the active segment if it has no unsynced records and the condition holds.
    fn close_stored(&mut self, condition: impl Fn(&crate::segment::Segment) -> bool) -> bool {
        let Some(active) = &self.active else { return false };
        let is_due =
            active.unsynced.is_empty() && self.segments.get(&active.number).is_some_and(condition);
        if is_due {
            self.close_active();
        }
        is_due
    }

    fn lose_segment(&mut self, number: u64, loss: Loss) {
        let Some(segment) = self.segments.get(&number) else { return };
        // Spans that are being delivered are in flight; `rewind` counts them if that fails.
        let lost = segment.live_spans().saturating_sub(self.outstanding_spans(number));
        self.remove_segment(number);
        self.count_loss(loss, lost);
    }

    fn remove_segment(&mut self, number: u64) {
        let Some(segment) = self.segments.remove(&number) else { return };
        if self.cursor.segment == number {
            self.cursor.move_to(number + 1);
        }
        // A file that stays is found again at the next start: duplicates, no loss.
        let _best_effort = self.storage.remove(&segment.file_name);
        self.lookup.forget(number);
        let _best_effort = self.storage.remove(&index_file_name(number));
    }

    /// A power failure must not return removed segments: their spans are delivered, or counted as lost.
    fn sync_removals(&mut self) {
        let _best_effort = self.storage.sync_directory();
    }

    /// Spans of a segment that are being delivered.
    fn outstanding_spans(&self, number: u64) -> u64 {
        let first = RecordId { segment: number, record: 0 };
        let last = RecordId { segment: number, record: u32::MAX };
        self.outstanding.range(first..=last).map(|(_, spans)| spans).sum()
    }
}
