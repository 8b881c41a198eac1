//! The routes: a file for each family, which has a table of its own.

mod live;
mod metrics;
mod page;

use crate::route::Route;

/// All routes. A new family adds its table here.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    [metrics::ROUTES, live::ROUTES, page::ROUTES].into_iter().flatten()
}
