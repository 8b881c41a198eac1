//! The tables of `docs/operations/metrics.md`: every metric, and the values of its attributes.

use std::collections::BTreeMap;

/// The content of the page.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) metrics: Vec<Metric>,
    /// The values of each attribute; the empty one is an absent label.
    pub(super) attributes: BTreeMap<String, Vec<String>>,
}

/// A row of the table of metrics.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) attributes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Tables {
    /// Reads the tables between their markers.
    ///
    /// # Errors
    /// A table is missing, or a row is incomplete, is there twice or names an attribute without values.
    pub(super) fn read(page: &str) -> Result<Self, String> {
        let mut tables = Self::default();
        for cells in rows(page, "attributes", 2)? {
            let values = cells[1].split(',').map(str::trim).map(|value| match value {
                "absent" => Ok(String::new()),
                quoted => code(quoted),
            });
            let values = values.collect::<Result<Vec<_>, _>>()?;
            if tables.attributes.insert(code(&cells[0])?, values).is_some() {
                return Err(format!("the attribute {} is there twice", cells[0]));
            }
        }
        for cells in rows(page, "metrics", 5)? {
            let metric = Metric::read(&cells)?;
            if tables.metrics.iter().any(|other| other.name == metric.name) {
                return Err(format!("the metric {} is there twice", metric.name));
            }
            let unknown =
                metric.attributes.iter().find(|name| !tables.attributes.contains_key(*name));
            if let Some(unknown) = unknown {
                return Err(format!("{}: the attribute {unknown} has no values", metric.name));
            }
            tables.metrics.push(metric);
        }
        Ok(tables)
    }

    /// The metric that has a series of this name: its own, or `_bucket`, `_sum` and `_count` of a histogram.
    pub(super) fn of_series(&self, series: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| match metric.kind {
            Kind::Counter | Kind::Gauge => metric.name == series,
            Kind::Histogram => series
                .strip_prefix(&metric.name)
                .is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end)),
        })
    }
}

impl Metric {
    fn read(cells: &[String]) -> Result<Self, String> {
        let name = code(&cells[0])?;
        if cells[1].is_empty() || cells[4].is_empty() {
            return Err(format!("{name}: a unit and a source are expected"));
        }
        let kind = match cells[2].as_str() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            other => return Err(format!("{name}: counter, gauge or histogram, not {other:?}")),
        };
        if (kind == Kind::Counter) != name.ends_with("_total") {
            return Err(format!("{name}: counters, and they alone, end in _total"));
        }
        let attributes = cells[3].split(',').map(str::trim).filter(|cell| !cell.is_empty());
        let attributes = attributes.map(code).collect::<Result<_, _>>()?;
        Ok(Self { name, kind, attributes })
    }
}

/// The cells of the rows between the markers `name`, the two lines of the header left out.
fn rows(page: &str, name: &str, columns: usize) -> Result<Vec<Vec<String>>, String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let table = page.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (table, _) = table.ok_or_else(|| format!("no table between {begin} and {end}"))?;
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows = lines.map(|line| {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        if cells.len() == columns { Ok(cells) } else { Err(format!("{columns} cells: {line}")) }
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() { Err(format!("the table {name} is empty")) } else { Ok(rows) }
}

/// The text between backticks.
fn code(cell: &str) -> Result<String, String> {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.map(str::to_owned).ok_or_else(|| format!("a name in backticks is expected, not {cell:?}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn page(metric: &str) -> String {
        format!(
            "x\n<!-- metrics:begin -->\n| name | unit | kind | attributes | source |\n|---|---|---|---|---|\n{metric}\n\
             <!-- metrics:end -->\n<!-- attributes:begin -->\n| attribute | values |\n|---|---|\n\
             | `reason` | absent, `tls` |\n<!-- attributes:end -->\n"
        )
    }

    #[test]
    fn a_row_becomes_a_metric() {
        let tables = Tables::read(&page("| `a_total` | spans | counter | `reason` | x |")).unwrap();
        let attributes = vec!["reason".to_owned()];
        let metric = Metric { name: "a_total".to_owned(), kind: Kind::Counter, attributes };
        assert_eq!(tables.metrics, [metric]);
        assert_eq!(tables.attributes["reason"], ["", "tls"]);
    }

    #[test]
    fn a_histogram_has_three_series_and_none_of_its_own_name() {
        let tables = Tables::read(&page("| `a_seconds` | s | histogram | | x |")).unwrap();
        for series in ["a_seconds_bucket", "a_seconds_sum", "a_seconds_count"] {
            assert!(tables.of_series(series).is_some(), "{series}");
        }
        assert!(tables.of_series("a_seconds").is_none() && tables.of_series("a").is_none());
    }

    #[test]
    fn a_row_with_a_mistake_is_an_error() {
        for wrong in [
            "",
            "| `a` | spans | gauge | x |",
            "| a | spans | gauge | | x |",
            "| `a` | | gauge | | x |",
            "| `a` | spans | summary | | x |",
            "| `a` | spans | counter | | x |",
            "| `a_total` | spans | gauge | | x |",
            "| `a` | spans | gauge | `color` | x |",
            "| `a` | spans | gauge | | x |\n| `a` | spans | gauge | | x |",
        ] {
            assert!(Tables::read(&page(wrong)).is_err(), "{wrong}");
        }
    }
}
