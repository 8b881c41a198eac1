//! The end of a shutdown: what was not sent is stored, if there is a spool, and the rest is booked as lost.

use super::compose::{Composed, ComposedRequest};
use super::in_flight::InFlightRequest;
use super::patience::MayWait;
use super::refused::Refused;
use super::spool::Replay;
use super::stage::{Drain, Stage};
use super::{CANCELLED_WITHIN, ExportMachine, trim};
use crate::machine::action::Action;
use crate::queue::QueueLevel;
use crate::spool::SpoolCommand;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use std::time::{Duration, Instant};

impl ExportMachine {
    /// The time at which a shutdown with this deadline ends the requests, so that the disk has time to store their spans.
    pub(super) fn send_until(&self, deadline: Instant) -> Instant {
        match &self.spool {
            Some(_) => {
                let rest = deadline.saturating_duration_since(self.now);
                deadline - (rest / 4).min(MAX_TIME_TO_STORE)
            }
            None => deadline,
        }
    }

    /// Takes one step of the end. `None`: the next step follows.
    pub(super) fn close(&mut self, now: Instant, level: QueueLevel) -> Option<Action> {
        let (next, action) = match self.stage {
            Stage::Cancel => {
                let within = CANCELLED_WITHIN;
                #[cfg(feature = "planted-bugs")]
                let within = if planted(Bug::LateShutdown) { 10 * within } else { within };
                #[cfg(feature = "planted-bugs")]
                let drops = !planted(Bug::LateShutdown);
                #[cfg(not(feature = "planted-bugs"))]
                let drops = true;
                if drops {
                    self.store_waiting();
                    self.in_flight.drop_waiting(DropReason::ShutdownDeadline);
                }
                (Stage::Cancelling(now + within), Some(Action::CancelRequests))
            }
            Stage::Cancelling(until) if !self.in_flight.is_empty() && now < until => {
                return Some(self.reply(now).unwrap_or_else(|| {
                    let deadline = self.flushes.next_deadline();
                    Action::WaitUntil(deadline.map_or(until, |deadline| until.min(deadline)))
                }));
            }
            Stage::Cancelling(_) => (Stage::DrainRest(0), None),
            Stage::DrainRest(tries) => {
                (Stage::StoreRest, Some(self.request_drain(Drain::Rest(tries))))
            }
            Stage::StoreRest => match self.store_rest(now, level) {
                Some(action) => return Some(action),
                None => (Stage::BookRest, None),
            },
            Stage::BookRest => {
                self.book_rest();
                (Stage::Finish, None)
            }
            _ => return Some(Action::Finish),
        };
        self.stage = next;
        action
    }

    /// Stores the requests that were not sent.
    fn store_waiting(&mut self) {
        if self.spool.is_none() {
            return;
        }
        for request in self.in_flight.take_waiting_of_first() {
            self.store_or_lose(request, DropReason::ShutdownDeadline);
        }
    }

    /// Stores the spans that are left. `None`: there are none, or the disk has no time for more.
    fn store_rest(&mut self, now: Instant, level: QueueLevel) -> Option<Action> {
        let spool = self.spool.as_ref()?;
        if now >= self.store_until || !spool.may_store() {
            return None;
        }
        for mut request in self.in_flight.take_all_of_first() {
            request.is_ambiguous = true;
            self.store_or_lose(request, DropReason::AmbiguousShutdown);
        }
        let held = self.held.release_all(now);
        self.composer.backlog.extend(held);
        loop {
            if let Some(action) = self.outbox.pop_front() {
                return Some(action);
            }
            self.divert(now, level);
            let has_refused = self.refused.first().is_some_and(|refused| !refused.is_empty());
            if !self.in_flight.is_diverted(0) || (!has_refused && self.composer.backlog.is_empty())
            {
                break;
            }
            let composed = match self.refused.first_mut().filter(|_| has_refused) {
                Some(refused) => self.composer.next_part(refused, (0, usize::MAX), now, true),
                None => {
                    let may_wait = MayWait { has_time: false, has_space: false };
                    self.composer.next_requests(now, &mut self.in_flight, may_wait)
                }
            };
            match composed {
                Composed::Requests(requests, framed) => {
                    for ComposedRequest { lane, request, .. } in requests {
                        match lane {
                            0 => self.store(request),
                            _ => {
                                self.has_lost_rest = true;
                                request.tickets.dropped(DropReason::ShutdownDeadline);
                            }
                        }
                    }
                    self.recycle(framed);
                }
                Composed::Nothing(framed) => self.recycle(framed),
                Composed::TrimFirst => return Some(trim(0)),
                Composed::NoMemory | Composed::NoLane | Composed::LaneFull(_) => break,
            }
        }
        let is_storing = self.spool.as_ref().is_some_and(|spool| spool.is_storing());
        is_storing.then_some(Action::WaitUntil(self.store_until))
    }

    fn store_or_lose(&mut self, request: InFlightRequest, reason: DropReason) {
        let Some(spool) = &mut self.spool else { return request.tickets.dropped(reason) };
        if request.is_replay && !spool.is_split() {
            // It is on disk, and is not acknowledged: `Close` rewinds.
            spool.replay = Replay::None;
            return request.tickets.given_up(reason);
        }
        if spool.may_store() {
            return self.store(request);
        }
        self.has_lost_rest = true;
        request.tickets.given_up(if request.is_ambiguous {
            DropReason::AmbiguousShutdown
        } else {
            reason
        });
    }

    /// Books the spans that are left as lost, and replies.
    fn book_rest(&mut self) {
        let left = self.backlog_spans() + self.in_flight().1 + self.storing_spans();
        let is_stored = self.spool.is_some() && left == 0 && !self.has_lost_rest;
        self.drop_tail(DropReason::ShutdownDeadline);
        self.held.drop_all(DropReason::ShutdownDeadline);
        self.composer.backlog.drop_all(DropReason::ShutdownDeadline);
        let ambiguous = DropReason::AmbiguousShutdown;
        let drop_all = |it: &mut Refused| it.drop_all(DropReason::ShutdownDeadline, ambiguous);
        self.refused.iter_mut().for_each(drop_all);
        self.in_flight.drop_all(DropReason::AmbiguousShutdown);
        for reply in &mut self.shutdowns {
            reply.is_done |= is_stored;
        }
        if let Some(spool) = &mut self.spool {
            spool.drop_all();
            self.outbox.push_back(Action::Spool(SpoolCommand::Close(self.store_until)));
        }
        let replies = self.shutdowns.drain(..).chain(self.flushes.drain());
        self.outbox.extend(replies.map(Action::Reply));
    }
}

/// The most time before the deadline of a shutdown that the disk has for the spans that were not sent.
const MAX_TIME_TO_STORE: Duration = Duration::from_millis(500);
