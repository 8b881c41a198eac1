//! [`Registry`]: the registered processors, each call of which is fenced.

use super::span_processor::SpanProcessor;
use arc_swap::ArcSwapOption;
use spanwise_ledger::{Counter, Ledger};
use spanwise_worker::{CaughtPanic, catch_panic};
use std::sync::Arc;

/// The processors in the order of their registration.
pub(super) struct Registry {
    /// `None` after the shutdown: cached records hold the provider's state, and would retain them.
    list: ArcSwapOption<Vec<Registered>>,
    ledger: Ledger,
}

/// A registered processor. A panic of its drop is caught.
struct Registered(Option<Arc<dyn SpanProcessor>>);

impl Drop for Registered {
    fn drop(&mut self) {
        let _caught = catch_panic(|| drop(self.0.take()));
    }
}

impl Registry {
    pub(super) fn new(processors: Vec<Arc<dyn SpanProcessor>>, ledger: &Ledger) -> Self {
        let list: Vec<_> = processors.into_iter().map(|it| Registered(Some(it))).collect();
        Self { list: ArcSwapOption::from_pointee(list), ledger: ledger.clone() }
    }

    /// Calls each processor, and counts those that panic.
    pub(super) fn each(&self, mut call: impl FnMut(&dyn SpanProcessor)) {
        self.try_each(|processor| {
            call(processor);
            Ok::<(), CaughtPanic>(())
        });
    }

    /// Calls each processor, and returns the errors with its number, from 1. A panic is an error too, and
    /// counted.
    pub(super) fn try_each<E: From<CaughtPanic>>(
        &self,
        mut call: impl FnMut(&dyn SpanProcessor) -> Result<(), E>,
    ) -> Vec<(usize, E)> {
        let mut errors = Vec::new();
        let list = self.list.load();
        for (index, Registered(processor)) in list.iter().flat_map(|it| it.iter()).enumerate() {
            let Some(processor) = processor else { continue };
            let result = catch_panic(|| call(&**processor)).unwrap_or_else(|panic| {
                self.ledger.count(Counter::ProcessorPanicked, 1);
                Err(panic.into())
            });
            if let Err(error) = result {
                errors.push((index + 1, error));
            }
        }
        errors
    }

    /// Drops the processors.
    pub(super) fn clear(&self) {
        drop(self.list.swap(None));
    }
}
