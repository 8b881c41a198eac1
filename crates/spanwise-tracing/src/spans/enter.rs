//! Entering and exiting a span.

use super::open_spans::OpenSpans;
use super::{entered, open_span::State};
use spanwise_sdk::__private::is_context_readable;
use tracing_core::span::Id;

impl OpenSpans {
    /// Makes the span the current one of the thread.
    #[inline]
    pub(crate) fn enter(&self, id: &Id) {
        let id = id.into_u64();
        let mut guard = None;
        if self.options.context_activation || self.options.tracked_inactivity {
            guard = self.activate(id);
        }
        entered::push(self.layer, id, guard);
    }

    #[inline]
    fn activate(&self, id: u64) -> Option<opentelemetry::ContextGuard> {
        let mut in_map = None;
        let slot = self.table.find(id, &mut in_map)?;
        let mut open = slot.lock();
        if slot.id() != id {
            return None;
        }
        if let State::Unstarted(_) | State::Starting(_) = &open.state {
            drop(open);
            self.ensure_started(slot);
            open = slot.lock();
            if slot.id() != id {
                return None;
            }
        }
        open.is_used |= self.options.context_activation;
        if self.options.tracked_inactivity {
            open.timings.enter(slot.now());
        }
        let context = open.context.clone();
        drop(open);
        Some(context.filter(|_| is_context_readable())?.attach())
    }

    /// Restores the span that was current before.
    #[inline]
    pub(crate) fn exit(&self, id: &Id) {
        let id = id.into_u64();
        let mut in_map = None;
        if let Some(slot) = self.table.find(id, &mut in_map)
            && slot.is_counted()
        {
            let now = slot.now();
            slot.set_exited_at(now);
            if self.options.tracked_inactivity {
                slot.lock().timings.exit(now);
            }
        }
        entered::pop(self.layer, id);
    }
}

impl super::open_span::Timings {
    fn enter(&mut self, now: u64) {
        if self.entered == 0 {
            self.idle += now.saturating_sub(self.last);
            self.last = now;
        }
        self.entered += 1;
    }

    fn exit(&mut self, now: u64) {
        self.entered = self.entered.saturating_sub(1);
        if self.entered == 0 {
            self.busy += now.saturating_sub(self.last);
            self.last = now;
        }
    }
}
