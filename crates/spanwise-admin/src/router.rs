//! The table of routes, and the choice of one.

use crate::host;
use crate::request::Request;
use crate::response::{Response, Status};
use crate::route::{Route, Runs};
use spanwise_worker::catch_panic;
use std::sync::Arc;

/// Answers requests from the state `S`.
pub struct Router<S: 'static> {
    state: S,
    routes: Vec<&'static Route<S>>,
    allowed_hosts: Vec<String>,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// A router of these routes. Accepted in `Host` are IP addresses, `localhost` and `allowed_hosts`.
    pub fn new(
        state: S,
        routes: impl IntoIterator<Item = &'static Route<S>>,
        allowed_hosts: Vec<String>,
    ) -> Self {
        Self { state, routes: routes.into_iter().collect(), allowed_hosts }
    }

    /// The route of a request, or the response that refuses it.
    pub(crate) fn route(&self, request: &Request) -> Result<&'static Route<S>, Response> {
        if !host::is_accepted(&request.host, &self.allowed_hosts) {
            let line = "accepted in Host are IP addresses, localhost, and the names that the settings of this endpoint allow";
            return Err(Response::text(Status::MisdirectedRequest, line));
        }
        let route = self.routes.iter().find(|route| route.path == request.path);
        let route = route.ok_or_else(|| Response::text(Status::NotFound, &self.index()))?;
        match request.is_cross_site() && !route.is_page {
            true => {
                Err(Response::text(Status::Forbidden, "a page of another site made this request"))
            }
            false => Ok(route),
        }
    }

    /// Runs the function of a route.
    pub(crate) async fn answer(
        self: Arc<Self>,
        route: &'static Route<S>,
        request: Request,
    ) -> Response {
        let run = move || {
            // A sampler's description is the user's code.
            catch_panic(|| (route.answer)(&self.state, &request)).ok()
        };
        let answer = match route.runs {
            Runs::Inline => run(),
            Runs::Blocking => tokio::task::spawn_blocking(run).await.ok().flatten(),
        };
        answer.unwrap_or_else(|| Response::text(Status::InternalError, "the response panicked"))
    }

    fn index(&self) -> String {
        let paths: Vec<&str> = self.routes.iter().map(|route| route.path).collect();
        format!("not found; there are {}", paths.join(" "))
    }
}
