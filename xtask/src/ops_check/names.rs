//! Every name in the rules and the dashboard is one of the page of metrics.

use super::promql::Names;
use super::setup::Files;
use super::tables::Tables;
use super::{dashboard, rules};

/// Reads all files without a foreign program, and returns how many expressions they have.
///
/// # Errors
/// A file has a mistake, or an expression reads a series or a label that the page does not list for its metric.
pub(super) fn check(files: &Files) -> Result<usize, String> {
    let tables = Tables::read(&files.metrics)?;
    let alerts = rules::read(&files.rules)?.into_iter();
    let mut expressions: Vec<(String, String)> =
        alerts.map(|alert| (alert.name, alert.expression)).collect();
    for dashboard::Panel { title, expressions: queries } in dashboard::read(&files.dashboard)? {
        expressions.extend(queries.into_iter().map(|query| (title.clone(), query)));
    }
    let variables = dashboard::variables(&files.dashboard)?.into_iter();
    expressions.extend(variables.map(|(label, series)| (format!("variable {label}"), series)));
    for (place, expression) in &expressions {
        check_names(&tables, expression)
            .map_err(|reason| format!("{place}: {reason}\n    {expression}"))?;
    }
    Ok(expressions.len())
}

fn check_names(tables: &Tables, expression: &str) -> Result<(), String> {
    let names = Names::of(expression);
    if names.series.is_empty() {
        return Err("no series".to_owned());
    }
    let mut known = OF_PROMETHEUS.to_vec();
    for series in &names.series {
        let metric = tables.of_series(series);
        let metric = metric.ok_or_else(|| format!("metrics.md does not list {series}"))?;
        known.extend(metric.attributes.iter().map(String::as_str));
    }
    match names.labels.iter().find(|label| !known.contains(&label.as_str())) {
        Some(label) => Err(format!("no metric has the attribute {label}")),
        None => Ok(()),
    }
}

/// Labels that the scrape or the kind of a metric adds.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops_check::tables::tests::page;
    use spanwise::DropReason;

    #[test]
    fn the_rules_and_the_dashboard_read_metrics_of_the_page_alone() {
        let expressions = check(&Files::read().unwrap()).unwrap();
        assert!(expressions > 30, "{expressions}");
    }

    #[test]
    fn the_page_lists_every_reason() {
        let tables = Tables::read(&Files::read().unwrap().metrics).unwrap();
        assert_eq!(tables.attributes["reason"], DropReason::ALL.map(DropReason::name));
    }

    #[test]
    fn another_name_is_an_error() {
        let tables = Tables::read(&page("| `a_total` | spans | counter | `reason` | x |")).unwrap();
        assert_eq!(check_names(&tables, "sum by (job, reason) (a_total)"), Ok(()));
        for wrong in ["a", "a_total + b", "a_total{cause=\"\"}", "1 + 1"] {
            assert!(check_names(&tables, wrong).is_err(), "{wrong}");
        }
    }
}
