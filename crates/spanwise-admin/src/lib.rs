#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod address;
mod builder;
mod connection;
mod endpoint;
mod error;
mod host;
mod json;
mod page;
mod request;
mod response;
mod route;
mod router;
mod routes;
mod server;

pub use builder::AdminEndpointBuilder;
pub use endpoint::AdminEndpoint;
pub use error::AdminError;

/// The server of the endpoint for the routes of another program of the workspace. No part of the API: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::json::Json;
    pub use crate::page::{Page, violations};
    pub use crate::request::Request;
    pub use crate::response::{JSON, Response, Status, TEXT};
    pub use crate::route::{Route, Runs};
    pub use crate::router::Router;
}
