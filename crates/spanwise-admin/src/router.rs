//! The table of routes, and the choice of one.

use crate::host;
use crate::request::Request;
use crate::response::{Response, Status};
use crate::route::{Route, Runs};
use crate::routes;
use spanwise_sdk::LiveView;
use spanwise_worker::catch_panic;
use std::sync::Arc;

/// Answers requests for one provider.
#[derive(Debug)]
pub(crate) struct Router {
    view: LiveView,
    settings: Settings,
}

impl Router {
    pub(crate) fn new(view: LiveView, settings: Settings) -> Self {
        Self { view, settings }
    }

    /// The route of a request, or the response that refuses it.
    pub(crate) fn route(&self, request: &Request) -> Result<Route, Response> {
        if !host::is_accepted(&request.host, &self.settings.allowed_hosts) {
            let line = "accepted in Host are IP addresses, localhost, and the names of `with_allowed_host`";
            return Err(Response::text(Status::MisdirectedRequest, line));
        }
        let mut routes = routes::all(self.settings.profiling);
        let route = routes.find(|route| route.path == request.path);
        let route = route.ok_or_else(|| Response::text(Status::NotFound, &self.index()))?;
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

    fn index(&self) -> String {
        let paths: Vec<&str> =
            routes::all(self.settings.profiling).map(|route| route.path).collect();
        format!("not found; there are {}", paths.join(" "))
    }
}

/// The settings of the choice of routes.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) allowed_hosts: Vec<String>,
    /// Whether there are the routes of profiles.
    pub(crate) profiling: bool,
}
