//! The replies to flushes, and the report of requests without an answer.

use super::ExportMachine;
use super::refused::Refused;
use super::spool::Spool;
use crate::event::ExportEvent;
use crate::machine::action::Action;
use std::time::Instant;

impl ExportMachine {
    pub(super) fn report(&mut self) -> Option<Action> {
        let awaiting = (!self.in_flight.is_empty()).then_some(self.progress);
        let is_new = std::mem::replace(&mut self.awaiting, awaiting) != awaiting;
        is_new.then_some(Action::Report(ExportEvent::Awaiting(awaiting)))
    }

    /// Replies to a flush that is due; the reply to a shutdown follows at its end.
    pub(super) fn reply(&mut self, now: Instant) -> Option<Action> {
        let settled = self.in_flight.settled_before(self.composer.backlog.framed());
        let refused = self.refused.iter().map(Refused::settled_before);
        let settled = refused.fold(settled, u64::min);
        let storing = self.spool.as_ref().map_or(u64::MAX, Spool::settled_before);
        let settled = settled.min(storing);
        // The receiver may have the spans that it is being sent again: without its answer they would be sent a third time.
        let is_busy = self.spool.as_ref().is_some_and(|it| it.is_up) && self.in_flight.has_replay();
        loop {
            match self.flushes.pop_due(now, settled, is_busy)? {
                (reply, false) => return Some(Action::Reply(reply)),
                (reply, true) => self.shutdowns.push(reply),
            }
        }
    }
}
