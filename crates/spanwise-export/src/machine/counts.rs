//! The spans and requests that the machine holds.

use super::ExportMachine;
use super::refused::Refused;
use super::tail::Tail;
use std::fmt;

impl ExportMachine {
    /// Requests in flight or waiting for their endpoint, and the spans in them.
    pub fn in_flight(&self) -> (usize, u64) {
        (self.in_flight.len(), self.in_flight.spans())
    }

    /// Spans that were drained and are in no request: held back ones and those of refused requests included.
    pub fn backlog_spans(&self) -> u64 {
        let refused = self.refused.iter().map(Refused::spans);
        let tail = self.tail.as_ref().map_or(0, Tail::spans);
        self.composer.backlog.spans() + tail + self.held.spans() + refused.sum::<u64>()
    }
}

impl fmt::Debug for ExportMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportMachine")
            .field("stage", &self.stage)
            .field("backlog_spans", &self.backlog_spans())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
