//! The results of flushes and shutdowns in the terms of the SDK.

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_sdk::__private::Pipeline;
use spanwise_sdk::{FlushError, Report};
use std::fmt::Write as _;

/// The result of a flush or a shutdown that did what it was asked to do, whatever became of the spans.
pub(crate) fn of_command(result: Result<Report, FlushError>) -> OTelSdkResult {
    match result {
        Ok(_) => Ok(()),
        Err(FlushError::AlreadyShutdown) => Err(OTelSdkError::AlreadyShutdown),
        Err(FlushError::Timeout(report)) => Err(OTelSdkError::Timeout(report.elapsed)),
        Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
    }
}

/// An error if requests lost spans since `before`.
pub(crate) fn of_requests(pipeline: &Pipeline, before: &Snapshot) -> OTelSdkResult {
    let is_of_request = |reason: DropReason| !BEFORE_REQUESTS.contains(&reason);
    of_losses(pipeline, before, is_of_request)
}

/// An error if spans were lost since `before`, for whatever reason.
pub(crate) fn of_spans(pipeline: &Pipeline, before: &Snapshot) -> OTelSdkResult {
    of_losses(pipeline, before, |_| true)
}

fn of_losses(
    pipeline: &Pipeline,
    before: &Snapshot,
    counts: impl Fn(DropReason) -> bool,
) -> OTelSdkResult {
    let since = pipeline.queue().ledger().snapshot().since(before);
    let lost: Vec<_> = since.drops().filter(|&(reason, _)| counts(reason)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let spans: u64 = lost.iter().map(|(_, spans)| spans).sum();
    let mut text = format!("spans lost: {spans}");
    for (reason, spans) in lost {
        // Writing to a string does not fail.
        let _infallible = write!(text, ", {reason} {spans}");
    }
    if let Some(failure) = pipeline.last_failure() {
        let _infallible = write!(text, "; the last failure: {failure}");
    }
    Err(OTelSdkError::InternalFailure(text))
}

/// Reasons for which a span is lost before it is in a request: a flush cannot fail for them.
const BEFORE_REQUESTS: [DropReason; 5] = [
    DropReason::QueueBytes,
    DropReason::QueueFull,
    DropReason::Contended,
    DropReason::AfterShutdown,
    DropReason::InvalidId,
];
