//! The spool of an exporter's thread, behind a fence.

use crate::machine::ExportMachine;
use crate::spool::{RequestSpool, SpoolCommand, SpoolEvent};
use spanwise_worker::__private::timer_deadline;
use spanwise_worker::{CaughtPanic, Notified, Notifier, Wakeup, catch_panic};
use std::sync::Arc;
use std::time::Instant;

/// The spool, if there is one. Its code may be the user's: a panic in it ends its use.
pub(super) struct Spooling {
    spool: Option<Box<dyn RequestSpool>>,
    /// Its panic, until the machine has the event.
    panicked: bool,
    is_closed: bool,
}

impl Spooling {
    pub(super) fn new(spool: Option<Box<dyn RequestSpool>>) -> Self {
        let is_closed = spool.is_none();
        Self { spool, panicked: false, is_closed }
    }

    pub(super) fn set_notifier(&mut self, notifier: Notifier) -> Option<CaughtPanic> {
        self.run(|spool| spool.set_notifier(notifier)).1
    }

    pub(super) fn submit(&mut self, command: SpoolCommand) -> Option<CaughtPanic> {
        self.run(|spool| spool.submit(command)).1
    }

    /// Passes the events to the machine.
    pub(super) fn pass_events(
        &mut self,
        machine: &mut ExportMachine,
        now: Instant,
    ) -> Option<CaughtPanic> {
        let mut caught = None;
        for _ in 0..MAX_EVENTS {
            let (event, panic) = self.run(|spool| spool.next_event());
            caught = caught.or(panic);
            let Some(event) = event.flatten() else { break };
            self.is_closed |= matches!(event, SpoolEvent::Closed | SpoolEvent::Unavailable { .. });
            machine.spool_event(now, event);
        }
        if std::mem::take(&mut self.panicked) {
            let error = Arc::from("the spool panicked");
            machine.spool_event(now, SpoolEvent::Unavailable { error });
        }
        caught
    }

    /// Waits until the spool has closed its files, at most until `until`.
    pub(super) async fn closed(
        &mut self,
        machine: &mut ExportMachine,
        notified: &mut Notified,
        until: Instant,
    ) {
        while !self.is_closed && Instant::now() < until {
            // Spans that the disk loses at the end, too, are lost for a reason.
            let _reported = self.pass_events(machine, Instant::now());
            if !self.is_closed {
                let next = (Instant::now() + POLL).min(until);
                let _any: Wakeup = notified.wait_until(timer_deadline(next)).await;
            }
        }
    }

    /// Drops the spool.
    pub(super) fn drop_spool(&mut self) -> Option<CaughtPanic> {
        let spool = self.spool.take();
        catch_panic(|| drop(spool)).err()
    }

    fn run<T>(
        &mut self,
        call: impl FnOnce(&mut dyn RequestSpool) -> T,
    ) -> (Option<T>, Option<CaughtPanic>) {
        let Some(spool) = &mut self.spool else { return (None, None) };
        match catch_panic(|| call(&mut **spool)) {
            Ok(result) => (Some(result), None),
            Err(panic) => {
                let dropped = self.spool.take();
                let _second = catch_panic(|| drop(dropped));
                (self.panicked, self.is_closed) = (true, true);
                (None, Some(panic))
            }
        }
    }
}

/// Events of one turn.
const MAX_EVENTS: usize = 64;
/// The wait for a spool that does not notify.
const POLL: std::time::Duration = std::time::Duration::from_millis(5);
