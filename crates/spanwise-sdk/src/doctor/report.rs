//! [`DoctorReport`]: the checks of the doctor, as text and as JSON.

use super::check::{CheckStatus, DoctorCheck};
use std::fmt;

/// The report of [`doctor`](crate::doctor()): each step from the settings to the receiver's answer.
///
/// `Display` is for a terminal, [`to_json`](Self::to_json) for machines. Neither has a header's value, credentials, or the
/// query of a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct DoctorReport {
    checks: Vec<DoctorCheck>,
    is_accepted: bool,
}

impl DoctorReport {
    pub(super) fn new(checks: Vec<DoctorCheck>, is_accepted: bool) -> Self {
        Self { checks, is_accepted }
    }

    /// The checks, in the order of a span's way.
    pub fn checks(&self) -> &[DoctorCheck] {
        &self.checks
    }

    /// Whether spans of this program arrive: the receiver accepted the doctor's span, and no check
    /// [failed](CheckStatus::Failed).
    pub fn span_arrived(&self) -> bool {
        self.is_accepted && self.failed().is_none()
    }

    /// The first check that failed: its fix comes first.
    pub fn failed(&self) -> Option<&DoctorCheck> {
        self.checks.iter().find(|check| check.status() == CheckStatus::Failed)
    }

    /// Adds a check, for example one that a tool makes outside of the process.
    pub fn push(&mut self, check: DoctorCheck) {
        self.checks.push(check);
    }

    /// The report as one JSON object: `span_arrived`, and `checks` with `check`, `status`, `finding`, `fix`, `details`
    /// and `visible_from` (`process`, `outside` or `both`).
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"span_arrived\":");
        json.push_str(if self.span_arrived() { "true" } else { "false" });
        json.push_str(",\"checks\":[");
        for (index, check) in self.checks.iter().enumerate() {
            json.push_str(if index == 0 { "{\"check\":" } else { ",{\"check\":" });
            string(&mut json, check.name());
            json.push_str(",\"status\":");
            string(&mut json, check.status().as_str());
            json.push_str(",\"finding\":");
            string(&mut json, check.finding());
            json.push_str(",\"fix\":");
            match check.fix() {
                Some(fix) => string(&mut json, fix),
                None => json.push_str("null"),
            }
            json.push_str(",\"details\":[");
            for (index, detail) in check.details().iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                string(&mut json, detail);
            }
            json.push_str("],\"visible_from\":");
            string(&mut json, check.visible_from().as_str());
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}

impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        match (self.span_arrived(), self.failed()) {
            (true, _) => f.write_str("A span arrived."),
            (false, Some(failed)) => {
                write!(f, "Spans do not arrive: {}: {}", failed.name(), failed.finding())
            }
            (false, None) => f.write_str("No span was sent."),
        }
    }
}

/// Appends `text` as a string of JSON (RFC 8259, 7).
fn string(json: &mut String, text: &str) {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                json.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json_whatever_its_texts_are() {
        let check = DoctorCheck::both("span", CheckStatus::Failed, "a \"quoted\" \\ \n line")
            .with_detail("tab\t")
            .with_fix("é");
        let json = DoctorReport::new(vec![check.clone(), check], true).to_json();
        assert!(!json.contains(['\n', '\t']), "{json}");
        assert!(
            json.starts_with("{\"span_arrived\":false,\"checks\":[{\"check\":\"span\","),
            "{json}"
        );
        assert!(json.contains("a \\\"quoted\\\" \\\\"), "{json}");
        assert!(
            json.ends_with("\"fix\":\"é\",\"details\":[\"tab \"],\"visible_from\":\"both\"}]}"),
            "{json}"
        );
    }

    #[test]
    fn a_failed_check_outweighs_an_accepted_span() {
        let passed = DoctorCheck::both("span", CheckStatus::Passed, "accepted");
        let warned = DoctorCheck::both("clock", CheckStatus::Warning, "late");
        let failed = DoctorCheck::both("sampling", CheckStatus::Failed, "off");
        let mut report = DoctorReport::new(vec![passed.clone(), warned], true);
        assert!(report.span_arrived() && report.to_string().ends_with("A span arrived."));
        report.push(failed);
        assert!(!report.span_arrived());
        assert!(report.to_string().ends_with("Spans do not arrive: sampling: off"), "{report}");
        assert!(!DoctorReport::new(vec![passed], false).span_arrived());
    }
}
