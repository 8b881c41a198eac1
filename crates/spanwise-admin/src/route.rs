//! [`Route`]: a row of the table of routes.

use crate::request::Request;
use crate::response::Response;
use spanwise_sdk::LiveView;

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
