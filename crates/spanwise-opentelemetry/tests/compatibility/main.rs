//! The behaviours that the traits of `opentelemetry` and `opentelemetry_sdk` document, as a table of cases
//! that runs on both providers and both processors: `docs/compatibility.md`.
//!
//! The stock provider with the stock processor is the oracle of each case. Where another column differs,
//! the case has the reason. `SPANWISE_BLESS=1` writes the table.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod any;
mod bench;
mod cases;

use bench::{Bench, Column, Setup};
use cases::Case;
use std::fmt::Write as _;
use std::path::PathBuf;

const BEGIN: &str = "<!-- cases:begin -->\n";
const END: &str = "<!-- cases:end -->\n";

#[test]
fn the_table_of_cases_is_that_of_the_documentation() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
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
    let mut table = String::new();
    for (group, cases) in cases::all() {
        let titles = Column::ALL.map(Column::title).join(" | ");
        let _ = writeln!(table, "\n## {group}\n\n| behaviour | {titles} | reason |");
        let _ = writeln!(table, "|---{}|---|", "|---".repeat(Column::ALL.len()));
        for case in cases {
            let _ = writeln!(table, "{}", row(&case));
        }
    }
    table.push('\n');
    table
}

fn row(case: &Case) -> String {
    let Case { behaviour, setup, run, reason } = case;
    let seen = Column::ALL.map(|column| run(&mut Bench::new(column, *setup)));
    let mut cells = vec![seen[0].clone()];
    for other in &seen[1..] {
        cells.push(if *other == seen[0] { "same".to_owned() } else { other.clone() });
    }
    let differs = cells[1..].iter().any(|cell| cell != "same");
    assert_eq!(differs, !reason.is_empty(), "{behaviour}: {seen:#?}; the reason: {reason:?}");
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {behaviour} | {} | {reason} |", cells.join(" | "))
}

/// A case without a reason: all columns do the same.
const fn same(behaviour: &'static str, setup: Setup, run: fn(&mut Bench) -> String) -> Case {
    Case { behaviour, setup, run, reason: "" }
}

const fn differs(
    behaviour: &'static str,
    setup: Setup,
    run: fn(&mut Bench) -> String,
    reason: &'static str,
) -> Case {
    Case { behaviour, setup, run, reason }
}
