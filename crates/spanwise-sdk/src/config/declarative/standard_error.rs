//! The console exporter of a doctor, whose report has the standard output for itself.

use spanwise_transport::__private::json_bound;
use spanwise_transport::{Bytes, Failure, Outcome, Sink, SinkFuture};
use spanwise_wire::json;
use std::io::Write as _;

/// Writes a request to the standard error, as one line of OTLP/JSON. Blocks: the doctor has a thread of its own.
pub(super) struct StandardError;

impl Sink for StandardError {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        let mut line = Vec::new();
        let is_written = json::from_protobuf(&request, json_bound(request.len()), &mut line)
            .is_ok_and(|()| {
                line.push(b'\n');
                std::io::stderr().write_all(&line).is_ok()
            });
        let accepted = Outcome::Accepted { rejected: 0, message: None };
        let outcome = if is_written { accepted } else { Outcome::Failed(Failure::Unsendable) };
        Box::pin(std::future::ready(outcome))
    }

    fn name(&self) -> String {
        "the standard output (the doctor's span: the standard error)".to_owned()
    }

    fn copy_bound(&self, len: usize) -> usize {
        json_bound(len)
    }
}
