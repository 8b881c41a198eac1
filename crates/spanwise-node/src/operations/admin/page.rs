//! `/`: one page that shows `/account`, in the look of the live page of an application.

use crate::operations::state::Shown;
use spanwise_admin::__private::{Page, Request, Response, Route, Runs};

pub(super) const ROUTES: &[Route<Shown>] =
    &[Route { path: "/", runs: Runs::Inline, is_page: true, answer: page }];

/// The page has no data of the node.
fn page(_source: &Shown, _request: &Request) -> Response {
    PAGE.response()
}

const PAGE: Page = Page {
    title: "spanwise-node",
    body: include_str!("page/page.html"),
    scripts: &[include_str!("page/pipeline.js"), include_str!("page/panels.js")],
};

#[cfg(test)]
mod tests {
    use super::{PAGE, Page};
    use spanwise_admin::__private::violations;

    #[test]
    fn the_page_loads_nothing_and_makes_no_markup_of_text() {
        assert_eq!(violations(&PAGE), [] as [&str; 0]);
    }

    /// A name that the page does not have would be an error in the browser alone.
    #[test]
    fn each_element_that_a_script_asks_for_is_in_the_page() {
        let scripts = [&Page::COMMON[..], PAGE.scripts].concat().concat();
        let names = scripts.split("$(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or(""));
        let names: Vec<&str> = names.collect();
        assert!(names.len() > 20, "{names:?}");
        let document = PAGE.document();
        for name in names {
            assert!(document.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
