//! [`SpanRoute`]: where the spans of a provider go, for the doctor.

use spanwise_transport::Transport;
use std::sync::Arc;

/// Where the spans of a provider went before it ended.
pub(crate) enum EndedRoute {
    /// To an endpoint, by a new transport with the same settings.
    Network(SpanRoute),
    /// To a sink or a file, which ended with the provider: its name.
    Sink(String),
    /// The process was forked while the provider was reloaded.
    Unknown,
}

/// Where the spans of a provider go.
#[derive(Clone)]
pub(crate) struct SpanRoute {
    pub(crate) transport: Transport,
    /// The encoded resource.
    pub(crate) resource: Arc<[u8]>,
    /// The transports of further destinations.
    pub(crate) further: Vec<Transport>,
}
