//! [`Propagator`]: the names of the propagators.

use super::{BaggagePropagator, TraceContextPropagator};
use opentelemetry::global;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};

/// A propagator as `OTEL_PROPAGATORS` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Propagator {
    /// `tracecontext`: a [`TraceContextPropagator`].
    TraceContext,
    /// `baggage`: a [`BaggagePropagator`].
    Baggage,
}

impl Propagator {
    pub(crate) const ALL: [Self; 2] = [Self::TraceContext, Self::Baggage];

    /// The name in `OTEL_PROPAGATORS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
        }
    }

    fn boxed(self) -> Box<dyn TextMapPropagator + Send + Sync> {
        match self {
            Self::TraceContext => Box::new(TraceContextPropagator::new()),
            Self::Baggage => Box::new(BaggagePropagator::new()),
        }
    }
}

/// Makes `chosen` the global propagator. An empty choice does not change it: the program may have set its
/// own.
pub(crate) fn set_global(chosen: &[Propagator]) {
    if !chosen.is_empty() {
        let boxed = chosen.iter().map(|propagator| propagator.boxed()).collect();
        global::set_text_map_propagator(TextMapCompositePropagator::new(boxed));
    }
}
