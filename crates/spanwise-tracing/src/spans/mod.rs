//! The open spans of a layer: from the start of a `tracing` span to its close.

mod api_changes;
mod api_span;
mod callsites;
mod close;
mod enter;
mod entered;
mod event;
mod late_start;
mod open_span;
mod open_spans;
mod record;
mod start;
mod table;
mod unstarted;

pub(crate) use open_spans::OpenSpans;
