//! A scenario as a picture: sampled roots per second, on a logarithmic scale.

use super::contestant::{Contestant, TARGET};
use super::sheet::{Entry, Sheet};
use spanwise_testkit::load::Series;
use std::fmt::Write as _;

/// The picture, to stand inside a page that has [`STYLE`].
pub(super) fn svg(sheet: &Sheet) -> String {
    let mut text = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\" \
         aria-label=\"{}\">",
        sheet.scenario.title
    );
    let scale = Scale::of(sheet);
    let _ = write!(text, "<path class=\"offered\" d=\"{}\"/>", scale.area(&sheet.offered));
    scale.grid(&mut text);
    let y = scale.y(TARGET);
    let _ = write!(
        text,
        "<line class=\"target\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
    );
    // Ours last, on top.
    for entry in sheet.entries.iter().rev() {
        let path = scale.line(&seconds(&entry.series));
        let _ =
            write!(text, "<path class=\"algorithm {}\" d=\"{path}\"/>", entry.contestant.class());
    }
    legend(&mut text, sheet);
    text + "</svg>"
}

/// The picture by itself, in light colours: many viewers know no variables.
pub(super) fn standalone(sheet: &Sheet) -> String {
    let style = COLOURS.iter().fold(STYLE.to_owned(), |style, (name, light, _)| {
        style.replace(&format!("var(--{name})"), light)
    });
    let paper = format!("<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>");
    let picture = svg(sheet);
    // Behind the tag that opens it.
    match picture.split_once('>') {
        Some((head, rest)) => format!("{head}><style>{style}</style>{paper}{rest}\n"),
        None => picture,
    }
}

/// The colours as variables of a page, by light and in the dark.
pub(super) fn palette() -> String {
    let variables = |dark: bool| -> String {
        let one = |(name, light, night): &(&str, &str, &str)| {
            format!("--{name}:{};", if dark { night } else { light })
        };
        COLOURS.iter().map(one).collect()
    };
    format!(
        ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}",
        variables(false),
        variables(true)
    )
}

/// Names, colours by light, colours in the dark.
const COLOURS: [(&str, &str, &str); 9] = [
    ("paper", "#ffffff", "#12161c"),
    ("ink", "#1c2430", "#e6e9ee"),
    ("soft", "#667085", "#98a2b3"),
    ("grid", "#dde1e7", "#2f3742"),
    ("offered", "#eef1f5", "#1d242d"),
    ("ours", "#1f6feb", "#6aa8ff"),
    ("trend", "#0a9396", "#41c7c0"),
    ("document", "#d9480f", "#ff8f5a"),
    ("jaeger", "#8a5cd1", "#b794f6"),
];

/// The style of all elements of the picture.
pub(super) const STYLE: &str = "\
svg{font:12px system-ui,-apple-system,'Segoe UI',sans-serif}\
.paper{fill:var(--paper)}.grid{stroke:var(--grid);stroke-width:1}\
.tick{fill:var(--soft)}.offered{fill:var(--offered)}\
.target{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}\
.algorithm{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\
.ours{stroke:var(--ours);stroke-width:2.6}.trend{stroke:var(--trend)}\
.document{stroke:var(--document)}.jaeger{stroke:var(--jaeger)}\
.name{fill:var(--ink)}.swatch.offered{stroke:none}";

/// The mapping of seconds and rates to coordinates.
struct Scale {
    seconds: f64,
    top: f64,
}

impl Scale {
    fn of(sheet: &Sheet) -> Self {
        let most = sheet.offered.iter().copied().fold(TARGET, f64::max);
        Self { seconds: sheet.scenario.seconds, top: (most * 1.5).log10() }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + second / self.seconds * (RIGHT - LEFT)
    }

    fn y(&self, rate: f64) -> f64 {
        let share = rate.max(LEAST).log10() - LEAST.log10();
        BOTTOM - share / (self.top - LEAST.log10()) * (BOTTOM - TOP)
    }

    fn grid(&self, text: &mut String) {
        for decade in 0..=self.top as i32 {
            let rate = 10f64.powi(decade);
            let y = self.y(rate);
            let label = match decade {
                0..=2 => format!("{rate}"),
                _ => format!("{}k", rate / 1e3),
            };
            let _ = write!(
                text,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for tick in 0..=6 {
            let second = self.seconds / 6.0 * f64::from(tick);
            let anchor = if tick == 6 { "end" } else { "middle" };
            let _ = write!(
                text,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{second} s</text>",
                self.x(second),
                BOTTOM + 18.0
            );
        }
        let _ = write!(
            text,
            "<text class=\"tick\" x=\"{LEFT}\" y=\"{:.1}\">roots per second</text>",
            TOP - 10.0
        );
    }

    fn line(&self, rates: &[f64]) -> String {
        let mut path = String::new();
        for (second, &rate) in rates.iter().enumerate() {
            let command = if second == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(second as f64 + 0.5), self.y(rate));
        }
        path
    }

    fn area(&self, rates: &[f64]) -> String {
        let mut path = format!("M{LEFT} {BOTTOM}");
        for (second, &rate) in rates.iter().enumerate() {
            let y = self.y(rate);
            let (from, to) = (self.x(second as f64), self.x(second as f64 + 1.0));
            let _ = write!(path, "L{from:.1} {y:.1}L{to:.1} {y:.1}");
        }
        path + &format!("L{RIGHT} {BOTTOM}Z")
    }
}

/// Names with a piece of their line, in a row at the top.
fn legend(text: &mut String, sheet: &Sheet) {
    let mut x = LEFT + 130.0;
    let y = TOP - 14.0;
    let mut entry = |mark: &str, name: &str| {
        let _ = write!(
            text,
            "<g transform=\"translate({x:.0} {y:.0})\">{mark}\
             <text class=\"name\" x=\"26\" y=\"4\">{name}</text></g>"
        );
        x += 44.0 + name.len() as f64 * 6.6;
    };
    entry(
        "<rect class=\"offered\" x=\"0\" y=\"-6\" width=\"20\" height=\"12\" rx=\"2\"/>",
        "offered",
    );
    entry("<line class=\"target\" x2=\"20\"/>", "target");
    for Entry { contestant, .. } in &sheet.entries {
        let name = Contestant::name(*contestant);
        entry(&format!("<path class=\"algorithm {}\" d=\"M0 0H20\"/>", contestant.class()), name);
    }
}

/// Sampled roots, by the second.
fn seconds(series: &Series) -> Vec<f64> {
    series.sampled.chunks(10).map(|tenths| tenths.iter().sum::<u32>().into()).collect()
}

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 904.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 288.0;
/// The bottom of the scale: less than one a second is none.
const LEAST: f64 = 1.0;
