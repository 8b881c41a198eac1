//! A chart: values by the second, on a logarithmic scale.

use super::style::light;
use std::fmt::Write as _;

/// Lines over an area, by the second.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// Stands above the scale.
    pub(crate) unit: &'a str,
    pub(crate) seconds: f64,
    /// The bottom of the scale: lower values stand there.
    pub(crate) least: f64,
    /// The scale reaches this value at least, and every value of the area or, without one, of the lines.
    pub(crate) most: f64,
    /// The name and the values of the area.
    pub(crate) area: Option<(&'a str, Vec<f64>)>,
    /// The name of a dashed line at `most`.
    pub(crate) target: Option<&'a str>,
    /// The first one is drawn on top.
    pub(crate) lines: Vec<Line<'a>>,
}

/// A line of a chart.
pub(crate) struct Line<'a> {
    /// Empty for a line that the legend leaves out.
    pub(crate) name: &'a str,
    /// Its class in the style sheet.
    pub(crate) class: &'a str,
    /// A value for each second; the line has a gap where it is not a number.
    pub(crate) values: Vec<f64>,
}

impl Chart<'_> {
    /// The chart as an element of a page.
    pub(crate) fn svg(&self) -> String {
        let mut text = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\" \
             aria-label=\"{}\">",
            self.title
        );
        let scale = Scale::of(self);
        if let Some((_, values)) = &self.area {
            let _ = write!(text, "<path class=\"offered\" d=\"{}\"/>", scale.area(values));
        }
        scale.grid(&mut text, self.unit);
        if self.target.is_some() {
            let y = scale.y(self.most);
            let _ = write!(
                text,
                "<line class=\"target\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
        }
        for line in self.lines.iter().rev() {
            let path = scale.line(&line.values);
            let _ = write!(text, "<path class=\"algorithm {}\" d=\"{path}\"/>", line.class);
        }
        self.legend(&mut text);
        text + "</svg>"
    }

    /// The chart by itself, in light colours.
    pub(crate) fn standalone(&self) -> String {
        let style = light();
        let paper = format!("<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>");
        let picture = self.svg();
        // Behind the tag that opens it.
        match picture.split_once('>') {
            Some((head, rest)) => format!("{head}><style>{style}</style>{paper}{rest}\n"),
            None => picture,
        }
    }

    /// Names with a piece of their line, in a row at the top.
    fn legend(&self, text: &mut String) {
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
        if let Some((name, _)) = &self.area {
            entry(
                "<rect class=\"offered\" x=\"0\" y=\"-6\" width=\"20\" height=\"12\" rx=\"2\"/>",
                name,
            );
        }
        if let Some(name) = self.target {
            entry("<line class=\"target\" x2=\"20\"/>", name);
        }
        for Line { name, class, .. } in self.lines.iter().filter(|line| !line.name.is_empty()) {
            entry(&format!("<path class=\"algorithm {class}\" d=\"M0 0H20\"/>"), name);
        }
    }
}

/// The mapping of seconds and values to coordinates.
struct Scale {
    seconds: f64,
    least: f64,
    /// The logarithm of the top of the scale.
    top: f64,
}

impl Scale {
    fn of(chart: &Chart<'_>) -> Self {
        let most = match &chart.area {
            Some((_, values)) => values.iter().copied().fold(chart.most, f64::max),
            None => {
                let values = chart.lines.iter().flat_map(|line| &line.values).copied();
                values.fold(chart.most, f64::max)
            }
        };
        Self { seconds: chart.seconds, least: chart.least, top: (most * 1.5).log10() }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + second / self.seconds * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        let bottom = self.least.log10();
        let share = value.max(self.least).log10() - bottom;
        BOTTOM - share / (self.top - bottom) * (BOTTOM - TOP)
    }

    fn grid(&self, text: &mut String, unit: &str) {
        for decade in self.least.log10().ceil() as i32..=self.top.floor() as i32 {
            let value = 10f64.powi(decade);
            let y = self.y(value);
            let label = match decade {
                ..=2 => format!("{value}"),
                3..=5 => format!("{}k", value / 1e3),
                _ => format!("{}M", value / 1e6),
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
        let _ =
            write!(text, "<text class=\"tick\" x=\"{LEFT}\" y=\"{:.1}\">{unit}</text>", TOP - 10.0);
    }

    fn line(&self, values: &[f64]) -> String {
        let mut path = String::new();
        let mut command = 'M';
        for (second, &value) in values.iter().enumerate() {
            if value.is_nan() {
                command = 'M';
                continue;
            }
            let _ =
                write!(path, "{command}{:.1} {:.1}", self.x(second as f64 + 0.5), self.y(value));
            command = 'L';
        }
        path
    }

    fn area(&self, values: &[f64]) -> String {
        let mut path = format!("M{LEFT} {BOTTOM}");
        for (second, &value) in values.iter().enumerate() {
            let y = self.y(value);
            let (from, to) = (self.x(second as f64), self.x(second as f64 + 1.0));
            let _ = write!(path, "L{from:.1} {y:.1}L{to:.1} {y:.1}");
        }
        path + &format!("L{RIGHT} {BOTTOM}Z")
    }
}

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 904.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 288.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_number_is_a_gap() {
        let chart = Chart {
            title: "a chart",
            unit: "spans",
            seconds: 6.0,
            least: 0.1,
            most: 1.0,
            area: None,
            target: None,
            lines: vec![Line { name: "x", class: "ours", values: vec![1.0, f64::NAN, 10.0, 1e4] }],
        };
        let svg = chart.svg();
        assert!(!svg.contains("NaN") && svg.contains("10k"));
        let path = svg.split("d=\"").nth(1).unwrap();
        assert_eq!(path.split('"').next().unwrap().matches('M').count(), 2);
    }
}
