//! The tables and pictures of `docs/sampling.md`.

use super::contestant::Contestant;
use super::cost::Cost;
use super::judge::{Comparison, Judged, SEEDS};
use super::load::SECONDS;
use crate::lab::{Chart, Line};
use std::fmt::Write as _;

/// The table of the numbers that are the same each time, with the settings.
pub(super) fn table(comparison: &Comparison) -> String {
    let [traces, spans, errors, slow, rarest] = comparison.size;
    let mut text = format!(
        "`cargo xtask sampling-compare --write` wrote this part. The load: {SECONDS:.0} s of virtual time, 40 traces per second, in the middle third 400; \
         five routes over four services, the rarest with 3 traces in 1,000. The first of {} seeds has {} traces with {} spans, {} of them with an error, \
         {} slow and {} of the rarest route. Shares and errors are means over all seeds.\n\n\
         | sampler | settings | all traces | errors | slow | rarest route | at ten times the load |\n|---|---|---|---|---|---|---|\n",
        SEEDS.len(),
        thousands(traces),
        thousands(spans),
        thousands(errors),
        thousands(slow),
        thousands(rarest),
    );
    for Judged { contestant, shares, growth, .. } in &comparison.judged {
        let shares: Vec<String> =
            shares.iter().map(|share| format!("{:.1} %", share * 100.0)).collect();
        let (name, settings) = (contestant.name(), contestant.settings());
        let _infallible = writeln!(
            text,
            "| {name} | {settings} | {} | {growth:.1} × as many |",
            shares.join(" | ")
        );
    }
    text += "\n| sampler | error of the estimated number of all traces | of the rarest route | of errors | sampled without a count | delay of a span, mean | most |\n|---|---|---|---|---|---|---|\n";
    for Judged { contestant, errors, uncounted, delay: (mean, most), .. } in &comparison.judged {
        let errors: Vec<String> =
            errors.iter().map(|error| format!("{:.1} %", error * 100.0)).collect();
        let name = contestant.name();
        let _infallible = writeln!(
            text,
            "| {name} | {} | {:.1} % | {mean:.1} s | {most:.1} s |",
            errors.join(" | "),
            uncounted * 100.0
        );
    }
    text += "\n![Sampled traces per second](sampling/traces.svg)\n\n![Sampled error traces per second](sampling/errors.svg)\n";
    for contestant in Contestant::ALL {
        if let Some(yaml) = contestant.yaml() {
            let _infallible = write!(
                text,
                "\nThe settings of \"{}\":\n\n```yaml\n{yaml}```\n",
                contestant.name()
            );
        }
    }
    text
}

/// The table of times and of memory, which a change of the engine changes.
pub(super) fn costs(costs: &[Cost], judged: &[Judged], date: &str) -> String {
    let mut text = format!(
        "{date}, `cargo xtask sampling-compare --write`, the same load; times are medians of seven runs in turns on a shared machine, with the least \
         and the most.\n\n\
         | sampler | ns a span | × ratio | memory for waiting spans, peak |\n|---|---|---|---|\n"
    );
    let first = costs.first().map_or(1.0, |cost| cost.nanos[0]);
    for (Cost { contestant, nanos: [median, least, most] }, judged) in costs.iter().zip(judged) {
        let memory = match judged.memory {
            0 => "none".to_owned(),
            bytes => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        };
        let name = contestant.name();
        let digits = usize::from(*median < 100.0);
        let _infallible = writeln!(
            text,
            "| {name} | {median:.digits$} ({least:.digits$} to {most:.digits$}) | {:.1} | {memory} |",
            median / first
        );
    }
    text
}

/// The pictures with the names of their files.
pub(super) fn pictures(comparison: &Comparison) -> [(&'static str, String); 2] {
    let picture = |number: usize, title, unit| {
        let line = |judged: &Judged| Line {
            name: judged.contestant.name(),
            class: judged.contestant.class(),
            values: smooth(&judged.series[number]),
        };
        let chart = Chart {
            title,
            unit,
            seconds: SECONDS,
            least: 0.1,
            most: 1.0,
            area: Some(("offered", smooth(&comparison.offered[number]))),
            target: None,
            lines: comparison.judged.iter().map(line).collect(),
        };
        chart.standalone()
    };
    [
        ("traces.svg", picture(0, "Sampled traces per second", "traces per second")),
        ("errors.svg", picture(1, "Sampled error traces per second", "error traces per second")),
    ]
}

/// Means of five seconds: the numbers of single seconds are small.
fn smooth(seconds: &[f64]) -> Vec<f64> {
    let mean = |second: usize| {
        let window = &seconds[second.saturating_sub(2)..seconds.len().min(second + 3)];
        window.iter().sum::<f64>() / window.len() as f64
    };
    (0..seconds.len()).map(mean).collect()
}

fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
