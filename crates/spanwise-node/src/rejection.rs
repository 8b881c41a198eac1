//! Requests that are refused for good: because of some of their spans, whose neighbours are delivered in smaller requests, or whatever their
//! spans.
//!
//! A request has the spans of many clients, and a receiver checks no more than the framing of a span: what a destination cannot read, or does
//! not accept, would cost the spans of all.

use spanwise_transport::{Delivery, Failure, Outcome, ResponseStatus};

/// Whether the receiver may accept other spans of the request.
pub(crate) fn is_about_content(delivery: &Delivery) -> bool {
    match &delivery.outcome {
        Outcome::Failed(Failure::Rejected { status }) => match status {
            ResponseStatus::Http(status) => matches!(status, 400 | 422),
            // The Collector answers INTERNAL to what it cannot unmarshal.
            ResponseStatus::Grpc(status) => matches!(*status, INVALID_ARGUMENT | INTERNAL),
        },
        // It cannot be made JSON.
        Outcome::Failed(Failure::Unsendable) => true,
        _ => false,
    }
}

/// Whether the receiver refuses all requests, whatever their spans: credentials or an address are wrong, for a while perhaps.
pub(crate) fn is_about_access(delivery: &Delivery) -> bool {
    match &delivery.outcome {
        Outcome::Failed(Failure::Redirect { .. }) => true,
        Outcome::Failed(Failure::Rejected { status }) => match status {
            ResponseStatus::Http(status) => matches!(status, 401 | 403 | 404 | 405 | 407 | 501),
            ResponseStatus::Grpc(status) => {
                matches!(*status, PERMISSION_DENIED | UNIMPLEMENTED | UNAUTHENTICATED)
            }
        },
        _ => false,
    }
}

/// The most rejections for which one request is divided: a span is found by some 14 of them.
pub(crate) const MAX_DIVISIONS: u32 = 64;
/// The rejections in a row from which on a receiver counts as one that accepts nothing, whose requests are not divided.
pub(crate) const MAX_IN_A_ROW: u32 = 32;
// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAUTHENTICATED: u32 = 16;
