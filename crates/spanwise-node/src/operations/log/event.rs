//! [`Event`]: everything that a node logs.

use super::field::{Field, Fields};

/// The severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Defines the events: the level, the name in lines, the variant, and its fields in their order. The first field is the subject: lines of
/// the same name and subject share one limit.
macro_rules! events {
    ($($(#[$doc:meta])+ $level:ident $name:literal $variant:ident { $($field:ident: $type:ty),* },)+) => {
        /// An event with its fields. No field has a header, a token, an attribute of a span or another part of a request.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(crate) enum Event<'a> {
            $($(#[$doc])+ $variant { $($field: $type),* },)+
        }

        impl<'a> Event<'a> {
            /// The names of all events.
            pub(crate) const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name in lines, which does not change.
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)+ }
            }

            pub(crate) fn level(&self) -> Level {
                match self { $(Self::$variant { .. } => Level::$level,)+ }
            }

            /// The fields with their names, in order.
            pub(crate) fn fields(&self) -> Fields<'a> {
                match *self {
                    $(Self::$variant { $($field),* } => {
                        Fields::new(&[$((stringify!($field), Field::from($field))),*])
                    })+
                }
            }
        }
    };
}

events! {
    /// The node accepts requests. The time is that since the start of the process.
    Info "ready" Ready { role: &'a str, version: &'a str, memory_mib: u64, cores: u64, millis: u64 },
    /// A receiver listens.
    Info "listening" Listening { receiver: &'a str, address: &'a str },
    /// The admin endpoint listens.
    Info "admin_listening" AdminListening { address: &'a str },
    /// The process could not start; it ends with this exit status.
    Error "start_failed" StartFailed { problem: &'a str, exit_status: u64 },
    /// A signal began the drain.
    Info "draining" Draining { signal: &'a str, timeout_millis: u64 },
    /// The drain ended: the spans that were lost by its deadline, and those that are on disk.
    Info "drained" Drained { millis: u64, dropped_spans: u64, spooled_spans: u64 },
    /// The account of the node does not add up at its end.
    Error "imbalance" Imbalance { problem: &'a str },
    /// A second signal ended the process before the drain.
    Warn "ended_early" EndedEarly { signal: &'a str },
    /// The file was read again, and its settings are in force.
    Info "reloaded" Reloaded { file: &'a str, millis: u64 },
    /// The file was read again and is not accepted: a line for each problem, and the settings before it stay in force.
    Error "reload_failed" ReloadFailed { problem: &'a str, problems: u64 },
    /// A receiver refuses requests: its reason, such as the budget.
    Warn "refusing" Refusing { receiver: &'a str, reason: &'a str },
    /// A receiver accepts requests again.
    Info "accepting" Accepting { receiver: &'a str },
    /// Requests without the token of their receiver.
    Warn "unauthorized" Unauthorized { receiver: &'a str },
    /// A request that cannot be read.
    Warn "malformed" Malformed { receiver: &'a str, problem: &'a str },
    /// Spans that redaction could not read, which leave the node nowhere.
    Warn "redaction_failed" RedactionFailed { receiver: &'a str, spans: u64 },
    /// Requests to a destination fail; spans wait.
    Warn "destination_down" DestinationDown { destination: &'a str, problem: &'a str },
    /// A destination accepts requests again.
    Info "destination_up" DestinationUp { destination: &'a str },
    /// Spans for a destination were lost.
    Warn "spans_dropped" SpansDropped { destination: &'a str, reason: &'a str, spans: u64 },
    /// A spool was opened.
    Info "spool_opened" SpoolOpened { destination: &'a str, directory: &'a str, recovered_spans: u64 },
    /// A spool reports an error of its disk.
    Error "spool_failed" SpoolFailed { destination: &'a str, problem: &'a str },
    /// A peer was added to the ring.
    Info "peer_added" PeerAdded { peer: &'a str, peers: u64 },
    /// A peer was removed from the ring.
    Info "peer_removed" PeerRemoved { peer: &'a str, peers: u64 },
    /// Requests to a peer fail; spans wait.
    Warn "peer_down" PeerDown { peer: &'a str, problem: &'a str },
    /// A peer accepts requests again.
    Info "peer_up" PeerUp { peer: &'a str },
    /// The peers could not be resolved; those before stay.
    Warn "resolve_failed" ResolveFailed { source: &'a str, problem: &'a str },
    /// The tail sampler is stressed, and decides by a ratio.
    Warn "sampler_stressed" SamplerStressed { ratio: &'a str },
    /// A part of the node panicked: a bug in Spanwise.
    Error "panicked" Panicked { part: &'a str, problem: &'a str },
}
