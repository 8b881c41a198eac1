//! The end of a world.

use super::World;
use crate::endpoint_settings::EndpointSettings;
use crate::violation::{Checked, Violation, require};
use spanwise_export::sans_io::QueueAction;
use std::time::Duration;

impl World {
    /// Ends the world: by a shutdown, by the death of the thread, or after the network has recovered.
    pub(super) fn end(&mut self) -> Checked {
        if self.is_child {
            return self.end_child();
        }
        if !self.thread.is_finished && self.thread.machine.is_some() && !self.calls.is_closed() {
            match self.random.below(10) {
                0 => self.die()?,
                1..=3 => {
                    let timeout = self.draw_timeout();
                    self.call(timeout, true);
                }
                _ => {
                    self.recover()?;
                    let timeout = self.draw_timeout();
                    self.call(timeout, true);
                }
            }
        }
        if self.thread.machine.is_some() {
            self.await_shutdown()?;
        }
        self.close()
    }

    /// With a healthy receiver, all spans have an outcome soon, and the memory is free.
    fn recover(&mut self) -> Checked {
        self.endpoints.iter_mut().for_each(|it| it.network.heal());
        self.is_quiet = true;
        self.line(format_args!("the network recovers"));
        self.end_all_open_spans()?;
        let requests = u32::try_from(self.spans.unsettled()).unwrap_or(u32::MAX) + 1;
        self.scenario.panics = false;
        let bound = |endpoint: &EndpointSettings| {
            let settings = endpoint.request;
            // An attempt may take longer than its timeout allows.
            let is_short = settings.attempt_timeout < Duration::from_millis(100);
            let each = if is_short { settings.request_timeout } else { Duration::from_millis(60) };
            // A request may be refused before its spans are accepted, and a breaker may be open.
            settings.request_timeout * 2 + endpoint.max_throttle() * 2 + each * requests * 2
        };
        let slowest = self.scenario.endpoints().map(bound).max().unwrap_or_default();
        let bound = slowest + self.scenario.longest_wait() + Duration::from_secs(1);
        let is_done = |world: &Self| world.spans.unsettled() == world.open.len() as u64;
        let is_drained = self.advance_until(bound, is_done)?;
        require(is_drained, "with a healthy receiver, all spans leave", || {
            let stuck = self.spans.unsettled() - self.open.len() as u64;
            format!("{stuck} spans are in flight after {bound:?}")
        })?;
        // Two drains of the open chunks that find nothing free the caches.
        let idle = self.scenario.longest_wait() * 3 + Duration::from_millis(500);
        self.advance(idle)?;
        if is_done(self) && !self.calls.has_waiting() {
            self.check_sheds_none()?;
            self.queue.apply(QueueAction::Trim { retain: 0 });
            self.check_freed()?;
        }
        Ok(())
    }

    fn await_shutdown(&mut self) -> Checked {
        let is_done = |world: &Self| world.thread.is_finished || world.thread.machine.is_none();
        let is_finished = self.advance_until(Duration::from_secs(40), is_done)?;
        require(is_finished, "a shutdown ends by its deadline", String::new)
    }

    /// Spans that end after the exporter has ended, and the memory of the queue.
    fn close(&mut self) -> Checked {
        self.make_spans(10)?;
        self.end_all_open_spans()?;
        self.thread.machine = None;
        self.queue.release();
        for (index, destination) in self.destinations.iter().enumerate() {
            let ledger = destination.ledger.snapshot();
            ledger.check().map_err(|error| Violation {
                rule: "every span has one outcome",
                details: error.to_string(),
            })?;
            let (stored, exported) = (self.spans.account(index).stored(), ledger.exported);
            let most = exported + ledger.ambiguous();
            let mut endpoints = self.endpoints.iter().filter(|it| it.destination == index);
            let is_true = endpoints.all(|it| it.sender.is_true);
            let is_plausible = !is_true || (exported..=most).contains(&stored);
            require(is_plausible, "the receiver has what was exported", || {
                format!("{stored} spans, not {exported} to {most}")
            })?;
        }
        self.check_freed()
    }

    /// A child stores no span and blocks no thread.
    fn end_child(&mut self) -> Checked {
        self.make_spans(20)?;
        self.end_all_open_spans()?;
        self.queue.close();
        self.make_spans(5)?;
        // The thread's memory is frozen in a child: its destructors never run.
        std::mem::forget(self.thread.machine.take());
        Ok(())
    }

    fn end_all_open_spans(&mut self) -> Checked {
        while !self.open.is_empty() {
            self.end_open_spans()?;
        }
        Ok(())
    }
}
