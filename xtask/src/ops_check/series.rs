//! The metrics that a process serves, against the page that lists them.

use super::http::get;
use super::tables::{Kind, Tables};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Each metric of the page is served with its kind, and none is served that the page lacks.
///
/// # Errors
/// Lists the differences.
pub(super) fn check(address: SocketAddr, tables: &Tables) -> Result<String, String> {
    let (mut times, mut text) = (Vec::new(), String::new());
    for _ in 0..SCRAPES {
        let started = Instant::now();
        text = get(address, "/metrics", TIMEOUT)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let median = times.get(SCRAPES / 2).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3);
    let problems = problems(&text, tables);
    match problems.is_empty() {
        true => {
            let (metrics, bytes) = (tables.metrics.len(), text.len());
            Ok(format!("{metrics} metrics in {bytes} bytes, a scrape takes {median:.1} ms"))
        }
        false => Err(problems.join("\n")),
    }
}

fn problems(text: &str, tables: &Tables) -> Vec<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let served: Vec<(&str, &str)> = types.collect();
    let mut problems = Vec::new();
    for metric in &tables.metrics {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        match served.iter().find(|(name, _)| *name == metric.name) {
            None => problems.push(format!("{} is not served", metric.name)),
            Some((_, other)) if *other != kind => {
                problems.push(format!("{} is a {other}, the page has {kind}", metric.name));
            }
            Some(_) => {}
        }
    }
    // The specification's metric with the resource is no measurement.
    let is_listed = |name: &str| {
        name == "target_info" || tables.metrics.iter().any(|metric| metric.name == name)
    };
    let unlisted = served.iter().filter(|(name, _)| !is_listed(name));
    problems.extend(unlisted.map(|(name, _)| format!("the page lacks {name}")));
    problems
}

const SCRAPES: usize = 21;
const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::tables::tests::page;
    use super::*;

    #[test]
    fn a_metric_that_is_missing_unlisted_or_of_another_kind_is_reported() {
        let rows = "| `a_total` | spans | counter | | x |\n| `b` | spans | gauge | | x |";
        let tables = Tables::read(&page(rows)).unwrap();
        let text = "# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb 1\n";
        assert_eq!(problems(text, &tables), Vec::<String>::new());
        let text = "# TYPE a_total gauge\n# TYPE c gauge\n";
        let expected =
            ["a_total is a gauge, the page has counter", "b is not served", "the page lacks c"];
        assert_eq!(problems(text, &tables), expected);
    }
}
