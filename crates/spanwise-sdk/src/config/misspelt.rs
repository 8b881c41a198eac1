//! Variables of the process that a slip keeps from having an effect.

use super::environment::process_names;
use super::settings::{Support, settings};
use crate::diagnostics::Diagnostic;

/// A report for each `OTEL_*` or `SPANWISE_*` variable of the process that is not known and has a known one near, the first 16 by name.
pub(crate) fn of_process() -> Vec<Diagnostic> {
    let mut reports: Vec<_> =
        process_names().filter_map(|name| Some((nearest(&name)?, name))).collect();
    reports.sort_by(|(_, a), (_, b)| a.cmp(b));
    reports.truncate(MAX_REPORTS);
    let report = |(nearest, name)| Diagnostic::VariableMisspelt { name, nearest };
    reports.into_iter().map(report).collect()
}

/// The variable of a setting that `name` is at most two letters away from, or a beginning of if it is one of ours. `None` for a
/// known name, and for one that is nearer to a variable of another signal.
fn nearest(name: &str) -> Option<&'static str> {
    // The name is printed.
    let is_plain = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    let is_ours = name.starts_with(OURS);
    if !(name.starts_with(PREFIX) || is_ours) || !is_plain || name.len() > MAX_LETTERS {
        return None;
    }
    let known =
        || settings().iter().flat_map(|it| it.variables.iter().map(|name| (it.support, *name)));
    if is_ours && name.len() > OURS.len() {
        // `SPANWISE_REDACTION` for the variable with `_FILE`: spans would leave as they are.
        let longer = known().find(|(_, known)| known.starts_with(name));
        if let Some((_, known)) = longer {
            return (known != name).then_some(known);
        }
    }
    let known = known().filter(|(_, known)| known.len().abs_diff(name.len()) <= MAX_DISTANCE);
    let near = known.map(|(support, known)| (distance(name, known), support, known));
    let (distance, support, known) = near.min_by_key(|(distance, ..)| *distance)?;
    let is_slip = (1..=MAX_DISTANCE).contains(&distance) && support == Support::Supported;
    is_slip.then_some(known)
}

/// The insertions, removals and replacements of a letter between both.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, of_a) in a.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let Some((first, rest)) = row.split_first_mut() else { return 0 };
        *first = left;
        for (above, of_b) in rest.iter_mut().zip(b.bytes()) {
            let replaced = diagonal + usize::from(of_a != of_b);
            diagonal = *above;
            left = replaced.min(*above + 1).min(left + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

const PREFIX: &str = "OTEL_";
const OURS: &str = "SPANWISE_";
/// More are no slip: the names of the table differ from each other by little more.
const MAX_DISTANCE: usize = 2;
/// Longer names are no slip.
const MAX_LETTERS: usize = 80;
const MAX_REPORTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_finds_its_variable_and_another_name_finds_none() {
        for (slip, variable) in [
            ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
            ("OTEL_EXPORTER_OTLP_ENPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADER", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
            ("OTEL_SERVICE_NAEM", "OTEL_SERVICE_NAME"),
            ("SPANWISE_BUDGET_BYTE", "SPANWISE_BUDGET_BYTES"),
            ("SPANWISE_REDACTION", "SPANWISE_REDACTION_FILE"),
            ("SPANWISE_REDACTION_FIEL", "SPANWISE_REDACTION_FILE"),
            ("SPANWISE_SPOOL_DIR", "SPANWISE_SPOOL_DIRECTORY"),
        ] {
            assert_eq!(nearest(slip), Some(variable));
            assert_eq!(nearest(variable), None);
        }
        for other in [
            "OTEL_PYTHON_LOG_LEVEL",
            "OTEL_JAVAAGENT_ENABLED",
            "OTEL_METRIC_EXPORTER",
            "OTEL_BLRP_SCHEDULE_DELAYS",
            "OTEL_",
            "SPANWISE_",
            "SPANWISE_BLESS",
            "OTEL_SERVICE\u{1b}NAME",
            &"OTEL_".repeat(100),
        ] {
            assert_eq!(nearest(other), None, "{other}");
        }
    }

    #[test]
    fn the_distance_counts_letters() {
        let distances = [("", ""), ("a", ""), ("", "ab"), ("kitten", "sitting"), ("ab", "ba")];
        assert_eq!(distances.map(|(a, b)| distance(a, b)), [0, 1, 2, 3, 2]);
    }
}
