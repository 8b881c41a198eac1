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
            /// The names of all events, each with its level and its fields.
            #[cfg(test)]
            pub(crate) const ALL: &'static [(&'static str, Level, &'static [&'static str])] =
                &[$(($name, Level::$level, &[$(stringify!($field)),*])),+];

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
    /// The file is used, although a setting of it has no effect, or another one than its name suggests.
    Warn "file_warning" FileWarning { problem: &'a str },
    /// The process could not start; it ends with this exit status.
    Error "start_failed" StartFailed { problem: &'a str, exit_status: u64 },
    /// A signal began the drain.
    Info "draining" Draining { signal: &'a str, timeout_millis: u64 },
    /// The drain ended: spans that were lost since the start, those that are on disk, and those without an outcome.
    Info "drained" Drained { millis: u64, dropped_spans: u64, spooled_spans: u64, in_flight_spans: u64 },
    /// The account of the node does not add up at its end.
    Error "imbalance" Imbalance { problem: &'a str },
    /// The file was read again, and its settings are in force.
    Info "reloaded" Reloaded { file: &'a str, millis: u64 },
    /// The file was read again and is not accepted: a line for each problem. The settings before it stay in force.
    Error "reload_failed" ReloadFailed { problem: &'a str, problems: u64 },
    /// A receiver closed connections because of a limit, an error or an attack: these since the last line.
    Warn "connections_closed" ConnectionsClosed { receiver: &'a str, reason: &'a str, connections: u64 },
    /// Requests are refused, and their senders try again: these spans since the last line.
    Warn "refusing" Refusing { reason: &'a str, spans: u64 },
    /// Requests are refused before their body is read, with the reason of the last one: these since the last line.
    Warn "refusing_unread" RefusingUnread { reason: &'a str, requests: u64 },
    /// Requests without the token of their receiver since the last line.
    Warn "unauthorized" Unauthorized { requests: u64 },
    /// Spans that a processor could not read, which the node drops.
    Warn "unreadable" Unreadable { processor: &'a str, spans: u64 },
    /// Requests to a destination fail; spans wait.
    Warn "destination_down" DestinationDown { destination: &'a str, problem: &'a str },
    /// A destination accepts requests again.
    Info "destination_up" DestinationUp { destination: &'a str },
    /// Spans for a destination or a peer were lost.
    Warn "spans_dropped" SpansDropped { destination: &'a str, reason: &'a str, spans: u64 },
    /// Traces were decided before their wait was over, because `num_traces` or the memory of tail sampling is used up: these since the last line.
    Warn "traces_decided_early" TracesDecidedEarly { traces: u64 },
    /// The process before this one crashed or was killed, with these spans in memory at the last write of its state.
    Warn "earlier_crash" EarlierCrash { spans: u64 },
    /// A spool had spans of earlier processes.
    Info "spool_recovered" SpoolRecovered { destination: &'a str, spans: u64 },
    /// The disk of a destination stores nothing; requests for it wait in memory.
    Error "spool_failed" SpoolFailed { destination: &'a str, problem: &'a str },
    /// The disk of a destination stores again.
    Info "spool_restored" SpoolRestored { destination: &'a str },
    /// A peer was added.
    Info "peer_added" PeerAdded { peer: &'a str, peers: u64 },
    /// A peer was removed, and the requests that waited for it went to the others.
    Info "peer_removed" PeerRemoved { peer: &'a str, peers: u64 },
    /// The peers could not be resolved; those before stay.
    Warn "resolve_failed" ResolveFailed { problem: &'a str },
    /// Requests to a peer fail; spans wait.
    Warn "peer_down" PeerDown { peer: &'a str, problem: &'a str },
    /// A peer has not answered for `unreachable_timeout`: its traces go to the others until it answers.
    Warn "peer_unreachable" PeerUnreachable { peer: &'a str, problem: &'a str },
    /// A peer accepts requests again.
    Info "peer_up" PeerUp { peer: &'a str },
}
