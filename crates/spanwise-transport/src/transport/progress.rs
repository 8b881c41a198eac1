//! The progress of one request through a transport.

use std::time::Duration;

use crate::ResponseStatus;
use crate::explain::Explanation;
use crate::request_machine::RequestMachine;
use crate::sent::Sent;

/// The progress of one request; it outlives a cancelled future.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// `None` before the first attempt.
    pub(super) machine: Option<RequestMachine>,
    pub(super) body_bytes: usize,
    pub(super) encode_time: Duration,
    /// The status of the last attempt's response.
    pub(super) status: Option<ResponseStatus>,
    /// The explanation of the last failed attempt; the texts are sanitized and masked.
    pub(super) last: Explanation,
    /// The attempt in flight.
    pub(super) current: Option<Sent>,
}

impl Progress {
    /// Records that the request was cancelled.
    pub(super) fn abandon(&mut self) {
        let Some(sent) = self.current.take() else { return };
        if let Some(machine) = &mut self.machine {
            machine.cancel(sent.is_set());
        }
        if self.last.cause.is_empty() {
            self.last.cause = match sent.is_set() {
                true => "cancelled before an answer came".to_owned(),
                false => "cancelled before a connection was made".to_owned(),
            };
        }
    }
}
