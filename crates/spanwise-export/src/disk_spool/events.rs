//! The events of a spool's thread, on their way to the exporter's.

use crate::spool::SpoolEvent;
use spanwise_spool::RecordId;
use spanwise_worker::Notifier;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that wait for the exporter's thread. No thread does I/O while it has the lock.
#[derive(Default)]
pub(super) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<SpoolEvent>,
    notifier: Option<Notifier>,
    /// The record that the exporter has.
    read: Option<RecordId>,
    is_closing: bool,
    /// The last event was added.
    has_ended: bool,
}

impl Events {
    /// Adds an event, and notifies the exporter's thread.
    pub(super) fn push(&self, event: SpoolEvent) {
        self.add(self.lock(), event);
    }

    /// Adds an event with a record.
    pub(super) fn push_read(&self, id: RecordId, event: SpoolEvent) {
        let mut state = self.lock();
        state.read = Some(id);
        self.add(state, event);
    }

    fn add(&self, mut state: MutexGuard<'_, State>, event: SpoolEvent) {
        if state.has_ended {
            return;
        }
        state.has_ended = matches!(event, SpoolEvent::Closed | SpoolEvent::Unavailable { .. });
        state.waiting.push_back(event);
        let notifier = state.notifier.clone();
        drop(state);
        notifier.iter().for_each(Notifier::notify);
    }

    pub(super) fn next(&self) -> Option<SpoolEvent> {
        self.lock().waiting.pop_front()
    }

    /// The record that the exporter has, and then has no more.
    pub(super) fn take_read(&self) -> Option<RecordId> {
        self.lock().read.take()
    }

    pub(super) fn set_notifier(&self, notifier: Notifier) {
        let mut state = self.lock();
        let has_events = !state.waiting.is_empty();
        state.notifier = Some(notifier.clone());
        drop(state);
        if has_events {
            notifier.notify();
        }
    }

    /// The spool stores nothing any more: this is the last event.
    pub(super) fn unavailable(&self, error: Arc<str>) {
        self.push(SpoolEvent::Unavailable { error });
    }

    /// The exporter ends, and waits for the event [`SpoolEvent::Closed`].
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
