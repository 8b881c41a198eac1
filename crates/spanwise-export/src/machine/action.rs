//! The actions that the state machine returns to its caller.

use crate::event::ExportEvent;
use crate::queue::QueueAction;
use crate::spool::SpoolCommand;
use spanwise_transport::FramedRequest;
use std::time::Instant;

/// An action that an [`ExportMachine`](super::ExportMachine) returns to its caller.
#[derive(Debug)]
#[must_use = "an action that is not carried out stops the export"]
pub enum Action {
    /// Apply this to the [`SpanQueue`](crate::SpanQueue), and pass what it returns to
    /// [`drained`](super::ExportMachine::drained).
    Queue(QueueAction),
    /// Send this request to its [endpoint](RequestId::endpoint), and call
    /// [`request_ended`](super::ExportMachine::request_ended) at its end.
    Send(RequestId, FramedRequest),
    /// Submit this to the [spool](crate::RequestSpool), and pass its events to
    /// [`spool_event`](super::ExportMachine::spool_event). Only an exporter with a spool has this action.
    Spool(SpoolCommand),
    /// Cancel all requests in flight. Each should end soon; those that do not are booked as lost.
    CancelRequests,
    /// Reply to a flush or shutdown: exactly one reply for each.
    Reply(Reply),
    /// Report this to the observer.
    Report(ExportEvent),
    /// Call [`poll`](super::ExportMachine::poll) again after the next event, at this instant at the
    /// latest. For an instant in the past, let other tasks run first.
    WaitUntil(Instant),
    /// The shutdown is complete: every span has its outcome.
    Finish,
}

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    pub(super) number: u64,
    pub(super) lane: usize,
    pub(super) generation: u32,
}

impl RequestId {
    /// The endpoint to send the request to: its index in
    /// [`PreparedExporter::transports`](crate::PreparedExporter::transports), 0 for the only one.
    pub fn endpoint(&self) -> usize {
        self.lane
    }

    /// The transport to send the request through: the number of times that the transport of this endpoint had been
    /// [replaced](super::ExportMachine::set_transport) when the request was made, wrapping.
    pub fn generation(&self) -> u32 {
        self.generation
    }
}

/// A flush or shutdown that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlushId(pub(super) u64);

/// The reply to a flush or shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The flush or shutdown.
    pub id: FlushId,
    /// Whether all spans that ended before it have their outcome. Otherwise the deadline,
    /// or the end of a shutdown, came first.
    pub is_done: bool,
}
