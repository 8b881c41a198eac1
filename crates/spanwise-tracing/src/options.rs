//! Choices about the attributes that the layer adds to spans and events.

/// Choices of a layer; each method of [`SpanwiseLayer`](crate::SpanwiseLayer) sets one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) location: bool,
    pub(crate) threads: bool,
    pub(crate) level: bool,
    pub(crate) target: bool,
    pub(crate) tracked_inactivity: bool,
    pub(crate) context_activation: bool,
    pub(crate) counted_events: bool,
    pub(crate) errors: ErrorOptions,
}

/// How errors in fields become attributes, exception events and a status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorOptions {
    pub(crate) fields_to_exceptions: bool,
    pub(crate) records_to_exceptions: bool,
    pub(crate) events_to_status: bool,
    pub(crate) events_to_exceptions: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            location: false,
            threads: false,
            level: false,
            target: false,
            tracked_inactivity: false,
            context_activation: true,
            counted_events: false,
            errors: ErrorOptions::default(),
        }
    }
}

impl Default for ErrorOptions {
    fn default() -> Self {
        Self {
            fields_to_exceptions: true,
            records_to_exceptions: true,
            events_to_status: true,
            events_to_exceptions: true,
        }
    }
}

/// The spans that may be open at a time, by default.
pub(crate) const MAX_OPEN_SPANS: usize = 65_536;
