//! [`Explanation`]: the effective settings of a builder, and the reports of its build.

use super::super::settings::{Setting, settings};
use super::effective::EffectiveSetting;
use super::json;
use crate::diagnostics::Diagnostic;
use std::fmt;

/// Every effective setting of a builder with its value and its origin, and the reports that a build sends to the
/// diagnostics: from [`explain`](super::explain).
///
/// `Display` prints a table for a terminal. No part of it shows a header value, or user info or query of a URL.
#[derive(Debug, Clone)]
pub struct Explanation {
    settings: Vec<EffectiveSetting>,
    pub(super) reports: Vec<Diagnostic>,
    /// The features that the settings need.
    pub(super) features: Vec<&'static str>,
    /// A declarative file replaces the `OTEL_*` variables.
    pub(crate) is_declarative: bool,
}

impl Explanation {
    pub(in super::super) fn new(
        mut settings: Vec<EffectiveSetting>,
        reports: Vec<Diagnostic>,
    ) -> Self {
        settings.sort_by_key(|effective| place(&effective.setting));
        Self { settings, reports, features: Vec::new(), is_declarative: false }
    }

    /// The settings in use, in the order of the table. A setting with several values, such as the headers of code and
    /// variable or several destinations, has a row for each; one that is not in use here has none.
    pub fn iter(&self) -> impl Iterator<Item = &EffectiveSetting> {
        self.settings.iter()
    }

    /// The first row of the setting with this variable or method.
    pub fn get(&self, name: &str) -> Option<&EffectiveSetting> {
        let is_named = |setting: &Setting| {
            setting.variables.contains(&name) || setting.methods.contains(&name)
        };
        self.iter().find(|effective| is_named(&effective.setting))
    }

    /// The reports: values that are ignored, settings without effect, warnings of the file.
    pub fn reports(&self) -> &[Diagnostic] {
        &self.reports
    }

    /// The features of `spanwise` beyond the default ones that these settings need, such as `grpc`: a program without
    /// one of them refuses the settings.
    pub fn features(&self) -> &[&'static str] {
        &self.features
    }

    /// The explanation as one JSON object: `settings`, each with `name`, `value`, `unit` and `origin`, and
    /// `reports`, each a text.
    pub fn to_json(&self) -> String {
        json::of(&self.settings, &self.reports)
    }
}

/// The number of the row in the table.
fn place(setting: &Setting) -> usize {
    settings().iter().position(|row| row == setting).unwrap_or(usize::MAX)
}

/// A table of three columns with the settings, then a line for each report.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self
            .iter()
            .map(|it| [it.setting.name().to_owned(), it.value_with_unit(), it.origin.to_string()])
            .collect();
        let heading = ["setting", "value", "origin"].map(str::to_owned);
        let width = |column: usize| {
            let cells = rows.iter().chain([&heading]).filter_map(|row| row.get(column));
            let widths = cells.map(|cell| cell.chars().count()).filter(|width| *width <= WIDEST);
            widths.max().unwrap_or_default()
        };
        let (names, values) = (width(0), width(1));
        for [name, value, origin] in [&heading].into_iter().chain(&rows) {
            writeln!(f, "{name:names$}  {value:values$}  {origin}")?;
        }
        for report in &self.reports {
            writeln!(f, "report: {report}")?;
        }
        Ok(())
    }
}

/// The widest cell that others are aligned with.
const WIDEST: usize = 56;
