//! [`Route`]: a row of a table of routes.

use crate::request::Request;
use crate::response::Response;

/// A path and the function that answers its requests from the state `S`.
pub struct Route<S> {
    /// The path, without a query.
    pub path: &'static str,
    /// The thread of the function.
    pub runs: Runs,
    /// A link of another site may lead here: the route shows a page, and takes no time.
    pub is_page: bool,
    /// The function.
    pub answer: fn(&S, &Request) -> Response,
}

/// The thread of a route's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// The endpoint's thread: it reads a snapshot.
    Inline,
    /// One of two threads for routes that take their time.
    Blocking,
}
