//! The global subscriber: a registry with the logs, the layer and their filters.

use super::InitError;
use super::filter::{Directives, Reported};
use spanwise_tracing::{SpanwiseLayer, TraceIds};
use std::thread;
use tracing_core::LevelFilter;
use tracing_core::dispatcher::{self, Dispatch};
use tracing_core::subscriber::NoSubscriber;
use tracing_log::{AsLog as _, LogTracer};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, fmt};

/// The parts of the subscriber.
pub(super) struct Parts {
    pub(super) logs: Logs,
    pub(super) layer: SpanwiseLayer,
    /// The filter of both, or of the logs alone if there is one for spans.
    pub(super) filter: Directives,
    pub(super) span_filter: Option<Directives>,
}

/// The logs of the program.
pub(super) enum Logs {
    None,
    /// Lines of text on the standard output.
    Text {
        trace_ids: bool,
    },
    /// A layer of the program.
    Layer(BoxedLayer),
}

impl Default for Logs {
    fn default() -> Self {
        Self::Text { trace_ids: false }
    }
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;
type BoxedFilter = Box<dyn Filter<Registry> + Send + Sync>;

/// Whether the program has a global subscriber.
///
/// The calling thread may have one of its own, and [`dispatcher::has_been_set`] does not distinguish them: a thread that starts has
/// the global one.
pub(super) fn has_subscriber() -> Result<bool, InitError> {
    let global = || dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>());
    let checks = thread::Builder::new().name("spanwise-init".to_owned()).spawn(global);
    Ok(checks.map_err(InitError::Thread)?.join().unwrap_or_default())
}

/// Sets the global subscriber, and the logger of the crate `log`.
pub(super) fn install(parts: Parts, reported: &mut Vec<Reported>) -> Result<(), InitError> {
    let Parts { logs, layer, filter, span_filter } = parts;
    match (logs.into_layer(), span_filter) {
        (None, span_filter) => set(span_filter.unwrap_or(filter), layer),
        (Some(logs), None) => set(filter, logs.and_then(layer)),
        (Some(logs), Some(span_filter)) => {
            let logs = logs.with_filter(filter.into_filter());
            let layer = layer.with_filter(span_filter.into_filter());
            set_global(logs.and_then(layer))
        }
    }?;
    // After the subscriber, whose level it has.
    let level = LevelFilter::current().as_log();
    if LogTracer::builder().with_max_level(level).init().is_err() {
        reported.push(Reported::Logger);
    }
    Ok(())
}

/// Sets a subscriber with one filter for all of `layer`.
fn set<L: Layer<Registry> + Send + Sync>(filter: Directives, layer: L) -> Result<(), InitError> {
    match filter {
        Directives::Levels(levels) => set_global(layer.and_then(levels)),
        Directives::Fields(fields) => set_global(layer.and_then(*fields)),
    }
}

fn set_global<L: Layer<Registry> + Send + Sync>(layer: L) -> Result<(), InitError> {
    let subscriber = tracing_subscriber::registry().with(layer);
    dispatcher::set_global_default(Dispatch::new(subscriber))
        .map_err(|_| InitError::SubscriberIsSet)
}

impl Logs {
    fn into_layer(self) -> Option<BoxedLayer> {
        match self {
            Self::None => None,
            Self::Text { trace_ids: false } => Some(fmt::layer().boxed()),
            Self::Text { trace_ids: true } => {
                // As `fmt::layer` decides: the format writes into memory, and does not know.
                let no_color = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
                let format = fmt::format().with_ansi(!no_color);
                Some(fmt::layer().event_format(TraceIds::new(format)).boxed())
            }
            Self::Layer(layer) => Some(layer),
        }
    }
}

impl Directives {
    /// A filter of one layer.
    fn into_filter(self) -> BoxedFilter {
        match self {
            Self::Levels(levels) => Box::new(levels),
            Self::Fields(fields) => fields,
        }
    }
}
