//! `cargo xtask mutants`: random small changes of the export path, each of which a test has to find.

mod mutation;
mod outcome;
mod workspace;

use crate::Command;
use mutation::Mutation;
use outcome::{Check, Outcome};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use workspace::Workspace;

pub const COMMAND: Command = Command {
    name: "mutants",
    summary: "random mutants of export, batch and ledger, against the simulator and the tests",
    help: "\
Copies the workspace, and changes one place of the sources of spanwise-export, spanwise-batch or spanwise-ledger
at a time: a comparison, an operator, a constant, a condition, a statement. A mutant is found when the simulator
breaks a rule, a test fails, or either hangs. The copy and its target folder stay, so that the next run builds
less.

  --count N     mutants, default 20
  --seed S      which ones; default 0. The same seed gives the same mutants of the same sources
  --skip K      leaves out the first K of them, to continue a run
  --dir DIR     the copy of the workspace; default target/mutants
  --list        prints the mutants and builds nothing

The last lines list the survivors: a missing test, code that no test can reach, or a change without effect.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let mutations = mutation::draw(options.seed, options.count)?;
    let chosen = mutations.iter().enumerate().skip(options.skip);
    if options.list {
        chosen.for_each(|(index, mutation)| println!("{index:>4} {mutation}"));
        return Ok(());
    }
    fs::create_dir_all(&options.dir).map_err(|error| format!("{:?}: {error}", options.dir))?;
    let workspace = Workspace::copy_to(&options.dir)?;
    workspace.check_unchanged()?;
    let mut sheet = Sheet::default();
    for (index, mutation) in chosen {
        let start = Instant::now();
        let outcome = workspace.try_mutation(mutation)?;
        println!("{index:>4} {outcome:<10} {mutation}  ({:.0?})", start.elapsed());
        sheet.add(mutation, outcome);
    }
    println!("{sheet}");
    Ok(())
}

#[derive(Debug, Default)]
struct Sheet {
    found: [usize; 2],
    unviable: usize,
    survivors: Vec<String>,
}

impl Sheet {
    fn add(&mut self, mutation: &Mutation, outcome: Outcome) {
        match outcome {
            Outcome::Unviable => self.unviable += 1,
            Outcome::Found(Check::Simulator) => self.found[0] += 1,
            Outcome::Found(Check::Tests) => self.found[1] += 1,
            Outcome::Survived => self.survivors.push(mutation.to_string()),
        }
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found: [simulator, tests], unviable, survivors } = self;
        let all = simulator + tests + survivors.len();
        writeln!(f, "{all} mutants: the simulator finds {simulator}, the tests {tests} more")?;
        write!(f, "{unviable} more do not compile; {} survive", survivors.len())?;
        survivors.iter().try_for_each(|survivor| write!(f, "\n  {survivor}"))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    count: usize,
    seed: u64,
    skip: usize,
    dir: PathBuf,
    list: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let dir = crate::step::root().join("target/mutants");
        let mut options = Self { count: 20, seed: 0, skip: 0, dir, list: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--list" {
                options.list = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || {
                let number = value.parse::<u32>().ok();
                number.ok_or_else(|| format!("{name} {value:?}: accepted is a number below 2^32"))
            };
            match name.as_str() {
                "--count" => options.count = number()? as usize,
                "--seed" => options.seed = number()?.into(),
                "--skip" => options.skip = number()? as usize,
                "--dir" => options.dir = value.into(),
                _ => return Err(format!("no option {name:?}; see cargo xtask mutants --help")),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parse = |text: &str| {
            Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let options = parse("--count 5 --seed 7 --skip 2 --dir x --list").unwrap();
        let dir = PathBuf::from("x");
        assert_eq!(options, Options { count: 5, seed: 7, skip: 2, dir, list: true });
        assert!(parse("--count").is_err() && parse("--count -1").is_err());
        assert!(parse("--fast 1").is_err());
    }
}
