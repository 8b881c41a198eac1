//! [`Observed`]: a layer that sees each span and each event of the process.

use std::sync::{Arc, Mutex};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The spans and events that reach the subscriber.
#[derive(Clone, Default)]
pub struct Observed(Arc<Mutex<Vec<Seen>>>);

#[derive(Clone)]
pub struct Seen {
    pub is_span: bool,
    pub target: String,
    pub name: String,
    pub thread: String,
}

impl Observed {
    fn add(&self, is_span: bool, metadata: &Metadata<'_>) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let (target, name) = (metadata.target().to_owned(), metadata.name().to_owned());
        self.0.lock().unwrap().push(Seen { is_span, target, name, thread });
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// Spans and events that are neither this test's own nor those of its proxy, which its thread starts.
    pub fn foreign(&self) -> Vec<String> {
        let is_own = |seen: &Seen| {
            seen.target.starts_with("silence")
                || seen.thread == "fault-proxy"
                || seen.thread.contains("::") && seen.target == "mio::poll"
        };
        let foreign = self.all().into_iter().filter(|seen| !is_own(seen));
        foreign
            .map(|Seen { target, name, thread, .. }| format!("{target} {name} on {thread}"))
            .collect()
    }
}

impl<S: Subscriber> Layer<S> for Observed {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.add(true, attributes.metadata());
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        self.add(false, normalized.as_ref().unwrap_or_else(|| event.metadata()));
    }
}
