//! The runs as a table.

use super::judge::Run;
use crate::date;
use crate::demo_service::Outcome;
use std::fmt::Write as _;

/// Runs at full speed as Markdown.
pub(super) fn full_speed(runs: &[Run], seconds: f64) -> String {
    let mut text = format!(
        "{}, {seconds} s each.\n\n\
         | receiver | created, exported, a second | lost, by reason | most memory of the group | of the process | of the budget | periods throttled | a span: p50, p99.9 | ended |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        date::today()
    );
    for run in runs {
        let _infallible = writeln!(text, "{}", row(run));
    }
    text
}

/// Runs at a fixed rate as Markdown.
pub(super) fn paced(runs: &[Run], seconds: f64, spans: u64) -> String {
    let mut text = format!(
        "{}, {seconds} s each at {} spans a second.\n\n\
         | receiver | exported | lost, by reason | CPU, service included | most memory of the group | a span: p50, p99.9 |\n\
         |---|---|---|---|---|---|\n",
        date::today(),
        count(spans as f64),
    );
    for run in runs {
        let name = run.state.name();
        let Some(outcome) = run.outcome() else {
            let _infallible = writeln!(text, "| {name}: ended by the kernel | | | | | |");
            continue;
        };
        let _infallible = writeln!(
            text,
            "| {name} | {} of {} | {} | {:.1} % of a core | {} | {} |",
            count(outcome.exported as f64),
            count(outcome.created as f64),
            lost(outcome),
            100.0 * outcome.cpu_seconds / outcome.seconds,
            group(run),
            times(outcome),
        );
    }
    text
}

fn row(run: &Run) -> String {
    let name = run.state.name();
    let usage = run.usage.clone().unwrap_or_default();
    let Some(outcome) = run.outcome() else {
        return format!("| {name} | | | | | | | | {} |", usage.kills.max(1));
    };
    let throttled = match usage.periods {
        0 => "–".to_owned(),
        periods => format!("{:.0} %", 100.0 * usage.throttled as f64 / periods as f64),
    };
    let (created, exported) = (outcome.created as f64, outcome.exported as f64);
    let (created, exported) = (created / outcome.seconds, exported / outcome.seconds);
    format!(
        "| {name} | {}, {} | {} | {} | {} | {} of {} | {throttled} | {} | {} |",
        count(created),
        count(exported),
        lost(outcome),
        group(run),
        mib(outcome.peak_rss),
        mib(outcome.budget_peak),
        mib(outcome.budget),
        times(outcome),
        usage.kills,
    )
}

fn lost(outcome: &Outcome) -> String {
    let reason = |(reason, spans): &(String, u64)| format!("`{reason}` {}", count(*spans as f64));
    let mut lost: Vec<String> = outcome.dropped.iter().map(reason).collect();
    if outcome.sampled_out > 0 {
        lost.push(format!("below refused spans {}", count(outcome.sampled_out as f64)));
    }
    if lost.is_empty() { "0".to_owned() } else { lost.join(", ") }
}

fn group(run: &Run) -> String {
    let peak = run.usage.as_ref().and_then(|usage| usage.peak_bytes);
    peak.map_or_else(|| "–".to_owned(), mib)
}

fn times(outcome: &Outcome) -> String {
    let [p50, p999, _] = outcome.span_nanos;
    format!("{p50} ns, {:.1} µs", p999 as f64 / 1e3)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A count with three digits.
fn count(number: f64) -> String {
    match number {
        0.0..1e3 => format!("{number:.0}"),
        1e3..1e6 => format!("{:.1} k", number / 1e3),
        _ => format!("{:.1} M", number / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts() {
        let counts = [0.0, 999.0, 12_345.0, 4_560_000.0].map(count);
        assert_eq!(counts, ["0", "999", "12.3 k", "4.6 M"]);
    }
}
