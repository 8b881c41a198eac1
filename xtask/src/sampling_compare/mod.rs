//! `cargo xtask sampling-compare`: head, adaptive and tail sampling with the same load.

mod contestant;
mod cost;
mod judge;
mod load;
mod page;

use judge::{Comparison, SEEDS};
use load::Load;
use std::fs;
use std::path::Path;

use crate::lab::failed;
use crate::markers;
use crate::step::root;
use crate::{Command, date, only_flags};

pub(crate) const COMMAND: Command = Command {
    name: "sampling-compare",
    summary: "head, adaptive and tail sampling with the same load: shares, errors of counts, delay, memory, time",
    help: "\
Runs a ratio, the adaptive sampler, and tail sampling by policies and by rules with the same traces in virtual time,
and prints the tables of docs/sampling.md. All numbers but the times are the same each time: an error names the page
or the picture that is stale.

  --write       writes the tables and the pictures, with the times of this machine
  --no-times    neither measures nor writes times",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    only_flags(arguments, &["--write", "--no-times"])?;
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let docs = root().join("docs");
    let comparison = Comparison::run()?;
    println!("{}", page::table(&comparison));
    if !has("--no-times") {
        let costs = cost::measure(&Load::new(SEEDS[0]))?;
        let costs = page::costs(&costs, &comparison.judged, &date::today());
        println!("{costs}");
        if has("--write") {
            let page = docs.join("sampling.md");
            markers::update(&page, "sampling-cost", &costs, markers::Stale::Written)?;
        }
    }
    update(&comparison, &docs, has("--write"))
}

/// Compares the table and the pictures with those of the page, or writes them.
fn update(comparison: &Comparison, docs: &Path, write: bool) -> Result<(), String> {
    let stale = match write {
        true => markers::Stale::Written,
        false => markers::Stale::Error("cargo xtask sampling-compare --write"),
    };
    markers::update(&docs.join("sampling.md"), "sampling", &page::table(comparison), stale)?;
    for (name, picture) in page::pictures(comparison) {
        let path = docs.join("sampling").join(name);
        if write {
            fs::write(&path, picture).map_err(|error| failed(&path, &error))?;
        } else if fs::read_to_string(&path).map_err(|error| failed(&path, &error))? != picture {
            return Err(format!(
                "{} is stale: run `cargo xtask sampling-compare --write`",
                path.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_numbers_of_the_comparison() {
        let comparison = Comparison::run().unwrap();
        assert_eq!(update(&comparison, &root().join("docs"), false), Ok(()));
        // The page states this in words.
        for judged in &comparison.judged {
            let [all, errors, slow, _] = judged.shares;
            let is_tail = judged.contestant.yaml().is_some();
            assert!((0.03..0.07).contains(&all), "{}: {all}", judged.contestant.name());
            assert_eq!(is_tail, errors == 1.0 && slow == 1.0, "{}", judged.contestant.name());
            assert_eq!(is_tail, judged.memory > 0 && judged.delay.0 > 1.0);
        }
    }

    #[test]
    fn the_same_seed_yields_the_same_load_and_another_one_does_not() {
        let (load, same) = (Load::new(5), Load::new(5));
        assert_eq!(load.tenths, same.tenths);
        assert_ne!(load.tenths, Load::new(6).tenths);
        let spans: u64 = load.traces.iter().map(|trace| trace.spans).sum();
        assert_eq!(spans, load.spans);
    }
}
