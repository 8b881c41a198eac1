//! [`Processors`]: the span processors of a provider.

use super::lifecycle::{Command, LifecycleThread, Pending};
use super::readable_span::ReadableSpan;
use super::registry::Registry;
use super::span_observer::SpanObserver;
use super::span_processor::SpanProcessor;
use crate::record::Span;
use opentelemetry::Context;
use spanwise_ledger::Ledger;
use spanwise_wire::read::ResourceSpans;
use spanwise_worker::fork;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// The span processors of a provider, in the order of their registration.
pub(crate) struct Processors {
    registry: Arc<Registry>,
    closed: AtomicBool,
    thread: LifecycleThread,
    /// [`fork::generation`] of the process the provider was built in.
    process: u32,
}

impl Processors {
    /// `None` without processors. Each gets the resource, as
    /// [`encode_resource`](spanwise_wire::write::encode_resource) wrote it.
    pub(crate) fn new(
        processors: Vec<Arc<dyn SpanProcessor>>,
        resource: &[u8],
        ledger: &Ledger,
    ) -> Option<Arc<Self>> {
        if processors.is_empty() {
            return None;
        }
        let made = Self {
            registry: Arc::new(Registry::new(processors, ledger)),
            closed: AtomicBool::new(false),
            thread: LifecycleThread::default(),
            process: fork::generation(),
        };
        if let Ok(resource) = ResourceSpans::parse(resource) {
            made.registry.each(|processor| processor.set_resource(&resource));
        }
        Some(Arc::new(made))
    }

    pub(crate) fn on_start(&self, span: &mut Span, parent: &Context) {
        self.inside(|processor| processor.on_start(span, parent));
    }

    /// Starts a flush or the shutdown of all processors on their thread, with this deadline. The
    /// processors are dropped after their shutdown.
    pub(crate) fn start(&self, command: Command, until: Instant) -> Pending {
        match fork::generation() == self.process {
            true => self.thread.start(&self.registry, command, until),
            false => Pending::none(),
        }
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Relaxed) && fork::generation() == self.process
    }

    fn inside(&self, call: impl FnMut(&dyn SpanProcessor)) {
        let outer = INSIDE.replace(true);
        self.registry.each(call);
        INSIDE.set(outer);
    }
}

impl SpanObserver for Processors {
    fn observes_now(&self) -> bool {
        !INSIDE.get() && self.is_open()
    }

    fn on_end(&self, span: &ReadableSpan<'_>) {
        if self.is_open() {
            self.inside(|processor| processor.on_end(span));
        }
    }

    fn close(&self) {
        self.closed.store(true, Relaxed);
    }
}

thread_local! {
    /// This thread is inside of a processor's call. The type has no destructor, so it is readable until the
    /// thread has ended.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}
