//! Memory for spans that are refused.

use super::stage::{Relief, Stage};
use super::{ExportMachine, STALLED_AFTER, accept_again};
use crate::machine::action::Action;
use crate::queue::{QueueAction, QueueLevel};
use crate::settings::Reserve;
use std::time::Instant;

impl ExportMachine {
    /// Frees memory for new spans: of waiting chunks, and of the reserve for requests.
    pub(super) fn relieve(&mut self, now: Instant, level: QueueLevel) -> (Stage, Option<Action>) {
        let budget = self.composer.memory.budget().clone();
        let is_stalled = !self.in_flight.is_empty() && now >= self.progress + STALLED_AFTER;
        let Reserve { flowing, stalled } = self.reserve;
        let reserve = if is_stalled { stalled } else { flowing };
        if budget.reserve() != reserve {
            budget.set_reserve(reserve);
        }
        // Compacting only once spans are refused would lose those that end meanwhile. Compacting while
        // requests flow would cost page faults: a compacted chunk is not reused.
        if self.is_blocked && is_stalled && budget.charged() > budget.limit() / 2 {
            self.composer.backlog.compact();
        }
        if let Some(accept) = accept_again(level) {
            return (Stage::Report, Some(accept));
        }
        if !level.is_starved || now < self.next_relief {
            return (Stage::Report, None);
        }
        let relief = Relief { is_stalled, charged: budget.charged(), queued: level.queued };
        // A push to a queue that refuses spans does not notify the exporter: `accept_again` ends the refusal.
        let rearm = (!level.is_refusing).then_some(Action::Queue(QueueAction::AcceptSpans));
        (Stage::RelieveDrain(relief), rearm)
    }
}
