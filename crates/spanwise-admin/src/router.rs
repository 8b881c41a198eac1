//! The table of routes, and the choice of one.

use crate::host;
use crate::request::Request;
use crate::response::{Response, Status};
use crate::routes;
use spanwise_sdk::LiveView;
use spanwise_worker::catch_panic;
use std::sync::Arc;

/// A path and the function that answers its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) runs: Runs,
    /// A link of another site may lead here: the route shows a page, and takes no time.
    pub(crate) is_page: bool,
    pub(crate) answer: fn(&LiveView, &Request) -> Response,
}

/// The thread of a route's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The endpoint's thread: it reads a snapshot.
    Inline,
    /// One of two threads for routes that take their time.
    #[allow(dead_code, reason = "for the routes of features")]
    Blocking,
}

/// Answers requests for one provider.
#[derive(Debug)]
pub(crate) struct Router {
    view: LiveView,
    allowed_hosts: Vec<String>,
}

impl Router {
    pub(crate) fn new(view: LiveView, allowed_hosts: Vec<String>) -> Self {
        Self { view, allowed_hosts }
    }

    /// The route of a request, or the response that refuses it.
    pub(crate) fn route(&self, request: &Request) -> Result<Route, Response> {
        if !host::is_accepted(&request.host, &self.allowed_hosts) {
            let line = "accepted in Host are IP addresses, localhost, and the names of `with_allowed_host`";
            return Err(Response::text(Status::MisdirectedRequest, line));
        }
        let route = routes::all().find(|route| route.path == request.path);
        let route = route.ok_or_else(|| Response::text(Status::NotFound, &index()))?;
        match request.is_cross_site() && !route.is_page {
            true => {
                Err(Response::text(Status::Forbidden, "a page of another site made this request"))
            }
            false => Ok(*route),
        }
    }

    /// Runs the function of a route.
    pub(crate) async fn answer(self: Arc<Self>, route: Route, request: Request) -> Response {
        let run = move || {
            // A sampler's description is the user's code.
            catch_panic(|| (route.answer)(&self.view, &request)).ok()
        };
        let answer = match route.runs {
            Runs::Inline => run(),
            Runs::Blocking => tokio::task::spawn_blocking(run).await.ok().flatten(),
        };
        answer.unwrap_or_else(|| Response::text(Status::InternalError, "the response panicked"))
    }
}

fn index() -> String {
    let paths: Vec<&str> = routes::all().map(|route| route.path).collect();
    format!("not found; there are {}", paths.join(" "))
}
