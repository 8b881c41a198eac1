//! `/debug/spanwise`: one page that shows `/debug/spanwise.json`.

use crate::page::Page;
use crate::request::Request;
use crate::response::Response;
use crate::route::{Route, Runs};
use spanwise_sdk::LiveView;

pub(super) const ROUTES: &[Route<LiveView>] = &[
    Route { path: "/debug/spanwise", runs: Runs::Inline, is_page: true, answer: page },
    Route { path: "/", runs: Runs::Inline, is_page: true, answer: to_page },
];

/// The page has no data of the process, and so needs no provider.
fn page(_view: &LiveView, _request: &Request) -> Response {
    PAGE.response()
}

fn to_page(_view: &LiveView, _request: &Request) -> Response {
    Response::redirect("/debug/spanwise")
}

const PAGE: Page = Page {
    title: "Spanwise",
    body: include_str!("../page/page.html"),
    scripts: &[
        include_str!("../page/pipeline.js"),
        include_str!("../page/traces.js"),
        include_str!("../page/panels.js"),
        include_str!("../page/attributes.js"),
        include_str!("../page/redaction.js"),
    ],
};

#[cfg(test)]
mod tests {
    use super::PAGE;
    use crate::page::violations;

    #[test]
    fn the_page_loads_nothing_and_makes_no_markup_of_text() {
        assert_eq!(violations(&PAGE), [] as [&str; 0]);
    }
}
