//! The routes: a file for each family, which has a table of its own.

mod attributes;
mod live;
mod metrics;
mod page;
#[cfg(feature = "profiling")]
mod profiling;

use crate::route::Route;
use spanwise_sdk::LiveView;

/// All routes. A new family adds its table here.
pub(crate) fn all(with_profiling: bool) -> impl Iterator<Item = &'static Route<LiveView>> {
    #[cfg(feature = "profiling")]
    let profiling = profiling::ROUTES;
    #[cfg(not(feature = "profiling"))]
    let profiling: &[Route<LiveView>] = &[];
    let profiling = profiling.iter().filter(move |_| with_profiling);
    [metrics::ROUTES, live::ROUTES, attributes::ROUTES, page::ROUTES]
        .into_iter()
        .flatten()
        .chain(profiling)
}
