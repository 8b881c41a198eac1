//! [`Page`]: a page without external parts, made of files that are joined.

use crate::response::{HTML, Response};
use spanwise_worker::random_bytes;
use std::fmt::Write as _;

/// The parts of a page.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The title, also the name in the header before the first data.
    pub title: &'static str,
    /// The body behind the header.
    pub body: &'static str,
    /// Scripts between [`COMMON`](Self::COMMON) and the loop, in the order in which they need each other. They define
    /// `DATA`, the path of the data; `PARTS`, functions that draw it; `totalOf`, a count of it that never falls; and `afterDraw`.
    pub scripts: &'static [&'static str],
}

impl Page {
    /// The page. It has no data of the process. A browser runs its script and its styles alone: each answer has another nonce (CSP
    /// Level 3).
    #[must_use]
    pub fn response(&self) -> Response {
        let nonce = nonce();
        let script = [&Self::COMMON[..], self.scripts, &[Self::LOOP]].concat().concat();
        let html = self
            .document()
            .replace("{{style}}", Self::STYLE)
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

    /// The document, with `{{style}}`, `{{script}}` and `{{nonce}}`.
    #[must_use]
    pub fn document(&self) -> String {
        Self::FRAME.replace("{{title}}", self.title).replace("{{body}}", self.body)
    }

    /// The head, the header and the end of all pages.
    const FRAME: &'static str = include_str!("page/frame.html");
    /// The styles of all pages.
    pub const STYLE: &'static str = include_str!("page/page.css");
    /// The scripts of all pages: elements, numbers, rates, charts, stages and cards.
    pub const COMMON: [&'static str; 5] = [
        include_str!("page/dom.js"),
        include_str!("page/history.js"),
        include_str!("page/charts.js"),
        include_str!("page/drawing.js"),
        include_str!("page/cards.js"),
    ];
    /// The last script: asks for the data and draws it.
    const LOOP: &'static str = include_str!("page/main.js");
}

/// 128 random bits in hexadecimal.
fn nonce() -> String {
    random_bytes::<16>().iter().fold(String::with_capacity(32), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Checks that the parts of a page load nothing and make no markup of text: names of what they should not have.
#[must_use]
pub fn violations(page: &Page) -> Vec<&'static str> {
    let parts = [&Page::COMMON[..], page.scripts, &[Page::LOOP]].concat().concat();
    let banned = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "@import",
        "</script",
    ];
    // The namespace of SVG is a name.
    let parts = parts.replace("\"http://www.w3.org/2000/svg\"", "");
    let in_scripts = banned.into_iter().filter(|text| parts.contains(text));
    let styles = ["</style", "url("].into_iter().filter(|text| Page::STYLE.contains(text));
    let attributes = [" style=", " onclick=", "src=\"", "<link rel=\"stylesheet"];
    let document = page.document();
    let attributes = attributes.into_iter().filter(|text| document.contains(text));
    in_scripts.chain(styles).chain(attributes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_of_a_page_are_found() {
        let bad = Page {
            title: "bad",
            body: "<a onclick=\"x\">",
            scripts: &["x.innerHTML = y", "fetch(\"http://a\")"],
        };
        assert_eq!(violations(&bad), ["innerHTML", "http://", " onclick="]);
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
