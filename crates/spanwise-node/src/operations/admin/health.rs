//! `/healthz` and `/readyz`, for probes.

use crate::operations::state::{Phase, Shown};
use spanwise_admin::__private::{Request, Response, Route, Runs, Status, TEXT};

pub(super) const ROUTES: &[Route<Shown>] = &[
    Route { path: "/healthz", runs: Runs::Inline, is_page: false, answer: healthz },
    Route { path: "/readyz", runs: Runs::Inline, is_page: false, answer: readyz },
];

/// The process answers: a drain or a full budget is no reason to end it.
fn healthz(_source: &Shown, _request: &Request) -> Response {
    Response::ok(TEXT, "alive\n")
}

/// Whether senders should choose this node.
fn readyz(source: &Shown, _request: &Request) -> Response {
    let reason = match source.phase() {
        Phase::Starting => "not ready: the node starts",
        Phase::Draining => "not ready: the node drains",
        Phase::Running if source.is_busy() => {
            "not ready: the node has no space for more requests, or knows no peer"
        }
        Phase::Running => return Response::ok(TEXT, "ready\n"),
    };
    Response::text(Status::Unavailable, reason)
}
