//! The open spans of a layer: from the start of a `tracing` span to its close.

mod api_changes;
mod api_span;
mod callsites;
mod close;
mod enter;
mod entered;
mod event;
mod field_keys;
mod free_places;
mod handles;
mod late_start;
mod open_span;
mod open_spans;
mod places;
mod record;
mod start;
mod store;
mod table;
mod unstarted;

pub(crate) use open_spans::OpenSpans;
