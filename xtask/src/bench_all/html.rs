//! The report as a page that stands alone.

use super::headline;
use super::micro;
use super::report::{HEADINGS, Report, cells, outcome};
use super::row::Row;
use serde_json::Value;
use std::fmt::Write as _;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut text = String::from(HEAD);
    let _ = write!(text, "<p class=machine>{}</p>", escaped(&in_words(&report.machine)));
    if report.quick {
        text += "<p>A quick run: two processes each. Not for quoting.</p>";
    }
    for sentence in report.conditions() {
        let _ = write!(text, "<p class=machine>{}</p>", escaped(&sentence));
    }
    let _ = write!(text, "<h2>{}</h2><table><tr>", escaped(headline::TITLE));
    headline::HEADINGS.iter().for_each(|heading| text += &format!("<th>{heading}"));
    for line in &report.headline {
        text += "</tr><tr>";
        line.cells.iter().for_each(|cell| text += &format!("<td>{}", escaped(cell)));
    }
    text += "</tr></table>";
    text += "<h2>Targets</h2><table class=targets><tr><th>workload<th>target<th>wanted<th>measured<th></tr>";
    for target in &report.targets {
        let (measured, outcome) = outcome(target);
        let _ = write!(text, "<tr class=\"{outcome}\">");
        for cell in [target.workload, &target.name, &target.wanted, measured, outcome] {
            let _ = write!(text, "<td>{}", escaped(cell));
        }
        text += "</tr>";
    }
    text += "</table>";
    text += "<h2>Claims</h2><p>The claims of a guide for Go for its techniques, and the \
             measurements of this run.</p><table class=claims><tr><th><th>claimed<th>measured</tr>";
    for claim in &report.claims {
        text += "<tr>";
        for cell in [&claim.what, &claim.claimed, &claim.measured] {
            let _ = write!(text, "<td>{}", escaped(cell));
        }
        text += "</tr>";
    }
    text += "</table>";
    for (workload, rows) in report.workloads() {
        let _ = write!(text, "<h2>{}</h2>", escaped(workload));
        text += &bars(&rows);
        text += "<table><tr>";
        HEADINGS.iter().for_each(|heading| text += &format!("<th>{heading}"));
        for row in &rows {
            text += "</tr><tr>";
            cells(row).iter().for_each(|cell| text += &format!("<td>{}", escaped(cell)));
        }
        text += "</tr></table>";
    }
    text += &micro::to_html(&report.micro, escaped);
    text + "</body></html>\n"
}

/// The machine as `key: value` pairs.
fn in_words(machine: &Value) -> String {
    let pairs = machine.as_object().into_iter().flatten();
    let words = pairs.map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key}: {text}"),
        None => format!("{key}: {value}"),
    });
    words.collect::<Vec<_>>().join(" · ")
}

/// Wall and processor nanoseconds of each row, on a logarithmic scale.
fn bars(rows: &[&Row]) -> String {
    let values = rows.iter().flat_map(|row| [row.ns(), row.cpu_ns()]).flatten();
    let top = values.fold(10.0_f64, f64::max).log10().ceil();
    let x = |nanos: f64| (nanos.max(1.0).log10() / top * WIDTH).max(1.0);
    let height = rows.len() * ROW + 20;
    let mut text = format!(
        "<svg viewBox=\"0 0 {} {height}\" width=\"{}\" role=img>",
        LABEL + WIDTH + 80.0,
        LABEL + WIDTH + 80.0
    );
    for decade in 0..=top as u32 {
        let at = LABEL + f64::from(decade) / top * WIDTH;
        let (bottom, label) = (height - 16, 10_u64.pow(decade));
        let _ = write!(
            text,
            "<line x1={at:.1} x2={at:.1} y1=0 y2={bottom} class=grid />\
             <text x={at:.1} y={} class=tick>{label} ns</text>",
            height - 3
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = index * ROW;
        let class = if row.implementation.starts_with("spanwise") { "ours" } else { "rival" };
        let _ = write!(
            text,
            "<text x={} y={} class=name>{}</text>",
            LABEL - 6.0,
            y + 15,
            escaped(&row.implementation)
        );
        for (nanos, top, part) in [(row.ns(), 2, "wall"), (row.cpu_ns(), 12, "cpu")] {
            let Some(nanos) = nanos else { continue };
            let (y, width) = (y + top, x(nanos));
            let _ = write!(
                text,
                "<rect x={LABEL} y={y} width={width:.1} height=9 class=\"{class} {part}\">\
                 <title>{part} {nanos:.1} ns</title></rect><text x={:.1} y={} class=value>{nanos:.1}</text>",
                LABEL + width + 3.0,
                y + 8
            );
        }
    }
    text + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const LABEL: f64 = 170.0;
const WIDTH: f64 = 560.0;
const ROW: usize = 26;

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8>\
<title>Spanwise against its rivals</title><style>\
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .7rem;text-align:right}\
td:first-child,th:first-child,.targets td:nth-child(2),.targets th:nth-child(2){text-align:left}tr:nth-child(even){background:#f5f5f5}\
.FAIL td:last-child{color:#b00;font-weight:bold}.pass td:last-child{color:#070}\
.claims td,.claims th{text-align:left}.machine{color:#666;font-size:.85rem}svg{max-width:100%;height:auto}\
.grid{stroke:#ddd}.tick{font-size:9px;fill:#888;text-anchor:middle}\
.name{font-size:12px;text-anchor:end}.value{font-size:9px;fill:#555}\
.ours.wall{fill:#1769aa}.ours.cpu{fill:#8ec2ea}.rival.wall{fill:#777}.rival.cpu{fill:#c4c4c4}\
</style></head><body><h1>Spanwise against its rivals</h1>\
<p>Nanoseconds per span, medians, logarithmic: the dark bar is the time of the thread that makes the \
span, the light one the processor time of the whole process.</p>";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_cannot_break_the_page() {
        let mut row = Row::new("w1", "<spanwise@\"HEAD\">");
        row.add(&json!({"ns": [5.0], "cpu_ns": [5e3]}), None);
        let page = page(&Report::new(vec![row], Vec::new(), true));
        assert!(page.contains("&lt;spanwise@&quot;HEAD&quot;&gt;") && !page.contains("<spanwise@"));
        assert!(page.contains("10000 ns"), "the scale reaches above the largest value");
    }
}
