//! All scenarios on one page that stands alone.

use super::measurements::HEADINGS;
use super::plot::{STYLE, palette, svg};
use super::sheet::Sheet;
use std::fmt::Write as _;

/// The page.
pub(super) fn page(sheets: &[Sheet]) -> String {
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sampling lab</title>\
         <style>{}{STYLE}{PAGE}</style></head><body><main><h1>Sampling lab</h1>\
         <p>Adaptive algorithms under load, in virtual time. Each is to keep 1,000 roots a second, and \
         all are offered the same ones. The grey area is what is offered; the scale is logarithmic, \
         and its bottom is one root a second.</p><nav>",
        palette()
    );
    for Sheet { scenario, .. } in sheets {
        let _ = write!(text, "<a href=\"#{}\">{}</a>", scenario.name, scenario.title);
    }
    text += "</nav>";
    for sheet in sheets {
        section(&mut text, sheet);
    }
    text + "</main></body></html>\n"
}

fn section(text: &mut String, sheet: &Sheet) {
    let scenario = sheet.scenario;
    let _ = write!(
        text,
        "<section id=\"{}\"><h2>{}</h2><p>{}</p>{}<table><tr><th>",
        scenario.name,
        scenario.title,
        scenario.description,
        svg(sheet)
    );
    for heading in HEADINGS {
        let _ = write!(text, "<th>{heading}");
    }
    for entry in &sheet.entries {
        let (class, name) = (entry.contestant.class(), entry.contestant.name());
        let _ = write!(text, "<tr><th><i class=\"{class}\"></i>{name}");
        for cell in entry.measurements.cells() {
            let _ = write!(text, "<td>{cell}");
        }
    }
    *text += "</table></section>";
}

const PAGE: &str = "\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{max-width:960px;margin:0 auto;padding:32px 20px 64px}h1{font-size:28px;margin:0 0 8px}\
h2{font-size:19px;margin:44px 0 4px}p{margin:0 0 12px;color:var(--soft);max-width:75ch}\
nav{display:flex;flex-wrap:wrap;gap:6px 8px;margin:16px 0}nav a{color:var(--ink);text-decoration:none;\
border:1px solid var(--grid);border-radius:99px;padding:2px 12px;font-size:13px}\
svg{width:100%;height:auto;display:block}table{border-collapse:collapse;width:100%;font-size:13.5px;margin-top:6px}\
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}\
th{font-weight:500;color:var(--soft)}tr th:first-child{text-align:left;color:var(--ink)}\
i{display:inline-block;width:18px;height:3px;border-radius:2px;margin-right:8px;vertical-align:middle}\
i.ours{background:var(--ours)}i.trend{background:var(--trend)}i.document{background:var(--document)}\
i.jaeger{background:var(--jaeger)}";
