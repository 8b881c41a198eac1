//! `/healthz` and `/readyz`, for probes.

use crate::operations::state::{Phase, Shown};
use crate::stage::Busy;
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
    let reason = match (source.phase(), source.busy()) {
        (Phase::Starting, _) => "the node starts",
        (Phase::Draining, _) => Busy::Draining.text(),
        (Phase::Running, Some(busy)) => busy.text(),
        (Phase::Running, None) => return Response::ok(TEXT, "ready\n"),
    };
    Response::text(Status::Unavailable, &format!("not ready: {reason}"))
}
