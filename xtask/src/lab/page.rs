//! All scenarios on one page that stands alone.

use super::style::{PAGE, STYLE, palette};
use std::fmt::Write as _;

/// A scenario on the page.
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    /// SVG elements.
    pub(crate) charts: Vec<String>,
    pub(crate) headings: &'a [&'a str],
    pub(crate) rows: Vec<Row>,
}

/// A row of a section's table.
pub(crate) struct Row {
    /// The class of its line in the charts.
    pub(crate) class: &'static str,
    pub(crate) name: String,
    /// Cells under the headings.
    pub(crate) cells: Vec<String>,
}

/// A page that needs no network.
pub(crate) fn page(title: &str, introduction: &str, sections: &[Section<'_>]) -> String {
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{}{STYLE}{PAGE}</style></head><body><main><h1>{title}</h1>\
         <p>{introduction}</p><nav>",
        palette()
    );
    for Section { name, title, .. } in sections {
        let _ = write!(text, "<a href=\"#{name}\">{title}</a>");
    }
    text += "</nav>";
    for one in sections {
        section(&mut text, one);
    }
    text + "</main></body></html>\n"
}

fn section(text: &mut String, section: &Section<'_>) {
    let Section { name, title, description, charts, headings, rows } = section;
    let charts = charts.concat();
    let _ = write!(
        text,
        "<section id=\"{name}\"><h2>{title}</h2><p>{description}</p>{charts}<table><tr><th>",
    );
    for heading in *headings {
        let _ = write!(text, "<th>{heading}");
    }
    for Row { class, name, cells } in rows {
        let _ = write!(text, "<tr><th><i class=\"{class}\"></i>{name}");
        for cell in cells {
            let _ = write!(text, "<td>{cell}");
        }
    }
    *text += "</table></section>";
}
