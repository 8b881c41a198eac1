//! The admin endpoint of a node: its health, metrics, account and live page.

mod account;
mod health;
mod metrics;
mod page;
mod process;

pub(crate) use account::document;

use super::state::Shown;
use spanwise_admin::__private::{Route, Router};
use spanwise_admin::{AdminEndpoint, AdminError};
use std::net::SocketAddr;

/// Binds the address and starts the thread of the endpoint, which serves until it is dropped.
///
/// # Errors
/// The address is in use or not permitted, or the system refuses the thread.
pub(crate) fn start(address: SocketAddr, source: Shown) -> Result<AdminEndpoint, AdminError> {
    AdminEndpoint::start(address, router(source))
}

fn router(source: Shown) -> Router<Shown> {
    let routes: [&'static [Route<Shown>]; 4] =
        [health::ROUTES, metrics::ROUTES, account::ROUTES, page::ROUTES];
    Router::new(source, routes.into_iter().flatten(), Vec::new())
}

#[cfg(test)]
mod tests;
