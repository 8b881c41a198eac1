//! `cargo xtask profile`: profiles of the demo and of benches, with flame graphs.

mod check;
mod files;
mod flame;
mod options;
mod programs;

use crate::Command;
use options::{Kind, Options, Target};
use std::fs;

pub(crate) const COMMAND: Command = Command {
    name: "profile",
    summary: "CPU, heap, allocations or threads of the demo or a bench, as pprof and flame graph",
    help: "\
cargo xtask profile cpu|flame|heap|allocs|threads [--demo | --bench NAME] [--seconds N]
cargo xtask profile check

Prints the functions with the highest values, and writes them to target/profile/ as pprof (.pb.gz, for `go tool pprof`), as folded
stacks and as a flame graph (.svg).

  --demo        the demo at full speed (default)
  --bench NAME  a workload of benches/workloads (all kinds), or a bench of criterion (cpu and flame: a profile of each of its
                benches)
  --seconds N   time of the profile, 0.5 to 60, default 5

check takes a profile of each kind of a known program and reads it with `go tool pprof`. Needs Go.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let [first] = arguments
        && first == "check"
    {
        return check::run();
    }
    let options = Options::parse(arguments)?;
    let folder = files::folder()?;
    let stems = match &options.target {
        Target::Demo => vec![programs::demo(&options, &folder)?],
        Target::Bench(name) => programs::bench(&options, name, &folder)?,
    };
    let unit = match options.kind {
        Kind::Cpu => "ns",
        Kind::Heap | Kind::Allocs => "bytes",
        Kind::Threads => "threads",
    };
    for stem in stems {
        let read = |extension: &str| {
            let path = stem.with_extension(extension);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        println!("{}", first_lines(&read("txt")?, ROWS));
        let title = stem.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let svg = stem.with_extension("svg");
        fs::write(&svg, flame::draw(&read("folded")?, &title, unit))
            .map_err(|error| format!("{}: {error}", svg.display()))?;
        println!("{}\n{}\n", stem.with_extension("pb.gz").display(), svg.display());
    }
    Ok(())
}

fn first_lines(text: &str, count: usize) -> String {
    text.lines().take(count).collect::<Vec<_>>().join("\n")
}

/// Lines of the printed table.
const ROWS: usize = 25;
