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
mod request;
mod response;
mod route;
mod router;
mod routes;
mod server;

pub use builder::AdminEndpointBuilder;
pub use endpoint::AdminEndpoint;
pub use error::AdminError;
