//! The behaviours that tracing-opentelemetry documents, as a table of cases that runs through both layers:
//! `docs/from-tracing-opentelemetry.md`.
//!
//! Its layer on the stock SDK is the oracle of each case. Where ours differs, the case has the reason. Ours runs four times, with
//! roots whose start waits, with spans that start at once, with spans that all wait and without a registry, and the runs must agree. `SPANWISE_BLESS=1` writes the table.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod bench;
mod cases;
mod extension;
mod random;
mod samplers;
mod text;

use bench::{Bench, Layers, Setup};
use cases::Case;
use std::path::PathBuf;

const BEGIN: &str = "<!-- cases:begin -->\n";
const END: &str = "<!-- cases:end -->\n";

#[test]
fn the_table_of_cases_is_that_of_the_documentation() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-tracing-opentelemetry.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    for (now, then) in table.lines().zip(written.lines()) {
        assert_eq!(now, then, "a behaviour changed, or the page");
    }
    assert_eq!(table.lines().count(), written.lines().count());
}

fn table() -> String {
    // A case waits for its export most of the time.
    let groups = std::thread::scope(|scope| {
        let groups = cases::all().map(|(name, cases)| scope.spawn(move || group(name, &cases)));
        groups.map(|group| group.join().unwrap())
    });
    let wrong: Vec<_> = groups.iter().filter_map(|group| group.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|it| it.as_str()).collect::<String>());
    let tables = groups.into_iter().flatten();
    tables.collect::<String>() + "\n"
}

fn group(name: &str, cases: &[Case]) -> Result<String, String> {
    let mut table = format!("\n### {name}\n\n");
    table.push_str("| case | tracing-opentelemetry | spanwise-tracing | reason |\n");
    table.push_str("|---|---|---|---|\n");
    let mut wrong = String::new();
    for case in cases {
        match row(case) {
            Ok(row) => table.push_str(&row),
            Err(difference) => wrong += &difference,
        }
    }
    if wrong.is_empty() { Ok(table) } else { Err(wrong) }
}

fn row(case: &Case) -> Result<String, String> {
    let Case { behaviour, setup, run, reason } = case;
    let [theirs, ours, others @ ..] = Layers::ALL.map(|layers| Bench::run(layers, *setup, *run));
    if others.iter().any(|other| *other != ours) {
        let runs = "at once, waiting, alone";
        return Err(format!("{behaviour}\n  ours: {ours:?}\n  {runs}: {others:#?}\n"));
    }
    if (theirs == ours) != reason.is_empty() || (theirs.short == ours.short) != (theirs == ours) {
        return Err(format!("{behaviour}\n  theirs: {theirs:?}\n  ours:   {ours:?}\n"));
    }
    let ours = if theirs == ours { "same".to_owned() } else { ours.short };
    Ok(format!("| {behaviour} | {} | {} | {reason} |\n", cell(&theirs.short), cell(&ours)))
}

/// The text in a cell of a table.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*");
    text.replace('\n', "<br>")
}

/// A case without a reason: both layers do the same.
const fn same(behaviour: &'static str, setup: Setup, run: fn(&Bench) -> String) -> Case {
    Case { behaviour, setup, run, reason: "" }
}

const fn differs(
    behaviour: &'static str,
    setup: Setup,
    run: fn(&Bench) -> String,
    reason: &'static str,
) -> Case {
    Case { behaviour, setup, run, reason }
}
