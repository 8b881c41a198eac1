//! The events of a spool's thread, on their way to the exporter's.

use crate::spool::SpoolEvent;
use spanwise_worker::Notifier;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events that wait for the exporter's thread. No thread does I/O while it has the lock.
#[derive(Default)]
pub(super) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<SpoolEvent>,
    notifier: Option<Notifier>,
    has_ended: bool,
}

impl Events {
    /// Adds an event, and notifies the exporter's thread.
    pub(super) fn push(&self, event: SpoolEvent) {
        let mut state = self.lock();
        state.waiting.push_back(event);
        let notifier = state.notifier.clone();
        drop(state);
        notifier.iter().for_each(Notifier::notify);
    }

    pub(super) fn next(&self) -> Option<SpoolEvent> {
        self.lock().waiting.pop_front()
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

    /// The thread has ended, and answers no command any more.
    pub(super) fn ended(&self) {
        if !std::mem::replace(&mut self.lock().has_ended, true) {
            let error = "the thread of the spool has ended".into();
            self.push(SpoolEvent::Unavailable { error });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
