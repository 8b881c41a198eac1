//! `/debug/spanwise`: one page that shows `/debug/spanwise.json`.

use crate::request::Request;
use crate::response::{HTML, Response, Status};
use crate::route::{Route, Runs};
use spanwise_sdk::LiveView;
use spanwise_worker::random_bytes;
use std::fmt::Write as _;

pub(super) const ROUTES: &[Route] = &[
    Route { path: "/debug/spanwise", runs: Runs::Inline, is_page: true, answer: page },
    Route { path: "/", runs: Runs::Inline, is_page: true, answer: to_page },
];

/// The page has no data of the process, and so needs no provider. A browser runs its script and its styles alone: each answer has another
/// nonce (CSP Level 3).
fn page(_view: &LiveView, _request: &Request) -> Response {
    let nonce = nonce();
    let script = SCRIPTS.concat();
    let html = PAGE
        .replace("{{style}}", STYLE)
        // One scope for all parts, apart from the names of elements that browsers make global.
        .replace("{{script}}", &format!("(() => {{\n\"use strict\";\n{script}}})();\n"))
        .replace("{{nonce}}", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    Response::ok(HTML, html)
        .with_header("Content-Security-Policy", policy)
        .with_header("Cross-Origin-Opener-Policy", "same-origin")
}

fn to_page(_view: &LiveView, _request: &Request) -> Response {
    Response::text(Status::Found, "/debug/spanwise").with_header("Location", "/debug/spanwise")
}

/// 128 random bits in hexadecimal.
fn nonce() -> String {
    random_bytes::<16>().iter().fold(String::with_capacity(32), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

const PAGE: &str = include_str!("../page/page.html");
const STYLE: &str = include_str!("../page/page.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 9] = [
    include_str!("../page/dom.js"),
    include_str!("../page/history.js"),
    include_str!("../page/charts.js"),
    include_str!("../page/pipeline.js"),
    include_str!("../page/traces.js"),
    include_str!("../page/panels.js"),
    include_str!("../page/attributes.js"),
    include_str!("../page/redaction.js"),
    include_str!("../page/main.js"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_makes_no_markup_of_text() {
        let parts = SCRIPTS.concat();
        for banned in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http://",
            "@import",
        ] {
            // The namespace of SVG is a name.
            let found = parts.matches(banned).count()
                - parts.matches("\"http://www.w3.org/2000/svg\"").count()
                    * usize::from(banned == "http://");
            assert_eq!(found, 0, "{banned}");
        }
        assert!(
            !parts.contains("</script") && !STYLE.contains("</style") && !STYLE.contains("url(")
        );
        for attribute in [" style=", " onclick=", "src=\"", "<link rel=\"stylesheet"] {
            assert!(!PAGE.contains(attribute), "{attribute}");
        }
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
