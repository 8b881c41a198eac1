//! The admin endpoint of a node: its health, metrics, account and live page.

mod account;
mod health;
mod metrics;
mod page;
mod process;

pub(crate) use account::document;

use super::state::Shown;
use crate::settings::AdminSettings;
use spanwise_admin::__private::{Route, Router};
use spanwise_admin::{AdminEndpoint, AdminError};

/// Binds the address and starts the thread of the endpoint, which serves until it is dropped.
///
/// # Errors
/// The address is in use or not permitted, or the system refuses the thread.
pub(crate) fn start(settings: &AdminSettings, source: Shown) -> Result<AdminEndpoint, AdminError> {
    AdminEndpoint::start(settings.address, router(source, settings.allowed_hosts.clone()))
}

fn router(source: Shown, allowed_hosts: Vec<String>) -> Router<Shown> {
    let routes: [&'static [Route<Shown>]; 4] =
        [health::ROUTES, metrics::ROUTES, account::ROUTES, page::ROUTES];
    Router::new(source, routes.into_iter().flatten(), allowed_hosts)
}

#[cfg(test)]
mod tests;
