//! `/metrics`: Prometheus text or OpenMetrics.

use crate::request::Request;
use crate::response::{Response, Status};
use crate::route::{Route, Runs};
use spanwise_metrics::{Attribute, TextEncoder, TextFormat};
use spanwise_sdk::LiveView;

pub(super) const ROUTES: &[Route<LiveView>] =
    &[Route { path: "/metrics", runs: Runs::Inline, is_page: false, answer: metrics }];

/// The metrics of the provider in the format that `Accept` prefers.
fn metrics(view: &LiveView, request: &Request) -> Response {
    let Some(snapshot) = view.metrics() else { return ended() };
    let format = TextFormat::negotiate(&request.accept);
    // Of the resource the name alone: values of other attributes may be secrets.
    let name = view.service_name().map(|name| Attribute::new("service.name", name));
    let text = TextEncoder::new(format).with_resource(name.as_slice()).encode(&snapshot);
    Response::ok(format.content_type(), text).with_header("Vary", "Accept")
}

/// The provider was dropped.
pub(super) fn ended() -> Response {
    Response::text(Status::Unavailable, "the tracer provider was dropped")
}
