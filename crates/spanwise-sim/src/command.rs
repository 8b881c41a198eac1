//! The commands of the simulator.

use crate::planted::find_planted;
use crate::planted_bug::PlantedBug;
use crate::seeds::{Seeds, run_range};
use crate::simulation::{WorldKind, run_seed};
use std::ops::RangeInclusive;
use std::time::Instant;

/// The options of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    seeds: Seeds,
    one: Option<u64>,
    is_traced: bool,
    is_planted: bool,
    /// This process runs a part of the seeds for another one.
    is_worker: bool,
    bug: Option<PlantedBug>,
}

/// Runs a command line. Returns whether all seeds, or all planted bugs, came out as they should.
///
/// # Errors
/// An option is not known, or has no value that is accepted.
pub fn run(args: &[String]) -> Result<bool, String> {
    // A panic of the code under test is a violation, which is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let options = Options::parse(args)?;
    PlantedBug::plant(options.bug);
    if options.is_worker {
        run_range(options.seeds);
        return Ok(true);
    }
    if options.is_planted {
        return find_planted(options.seeds);
    }
    if let Some(seed) = options.one {
        return Ok(run_one(options.seeds.world, seed, options.is_traced));
    }
    let start = Instant::now();
    let total = options.seeds.run_all(options.bug)?;
    for failure in &total.failures {
        println!("seed {}: {}", failure.seed, failure.violation);
        let world = options.seeds.world.option().map_or_else(String::new, |it| format!(" {it}"));
        let plant = options.bug.map(|bug| format!(" --plant {bug}")).unwrap_or_default();
        println!("  replay: cargo xtask sim{world} --seed {} --trace{plant}", failure.seed);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{total}, in {seconds:.1} s");
    Ok(total.failures.is_empty())
}

/// Runs one seed, and prints its trace and its result.
fn run_one(world: WorldKind, seed: u64, is_traced: bool) -> bool {
    let report = run_seed(world, seed, is_traced);
    report.trace.iter().for_each(|line| println!("{line}"));
    match &report.violation {
        Some(violation) => println!("seed {seed}: {violation}"),
        None => println!("seed {seed}: every rule holds; {}", report.counts),
    }
    report.violation.is_none()
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let jobs = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let mut options = Self {
            seeds: Seeds {
                world: WorldKind::Export,
                first: 0,
                count: 1_000,
                step: 1,
                jobs,
                until_found: false,
            },
            one: None,
            is_traced: false,
            is_planted: false,
            is_worker: false,
            bug: None,
        };
        let mut arguments = args.iter();
        while let Some(name) = arguments.next() {
            let mut number = |accepted: RangeInclusive<u64>| {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
                let number = value.parse().ok().filter(|number| accepted.contains(number));
                let (least, most) = accepted.into_inner();
                number.ok_or_else(|| format!("{name} {value:?}: accepted is {least} to {most}"))
            };
            match name.as_str() {
                "--seeds" => options.seeds.count = number(1..=u64::MAX)?,
                "--first" => options.seeds.first = number(0..=u64::MAX)?,
                "--jobs" => options.seeds.jobs = number(1..=1_024)? as usize,
                "--seed" => options.one = Some(number(0..=u64::MAX)?),
                "--tail" => options.seeds.world = WorldKind::Tail,
                "--spool" => options.seeds.world = WorldKind::Spool,
                "--trace" => options.is_traced = true,
                "--planted" => options.is_planted = true,
                "--plant" => {
                    let value = arguments.next().ok_or("--plant needs the name of a bug")?;
                    let bug = PlantedBug::parse(value);
                    options.bug = Some(bug.ok_or_else(|| format!("no bug is named {value:?}"))?);
                }
                "--worker" => {
                    options.is_worker = true;
                    options.seeds.step = number(1..=1_024)?;
                }
                "--until-found" => options.seeds.until_found = true,
                _ => return Err(format!("no option {name:?}; see cargo xtask sim --help")),
            }
        }
        if options.is_traced && options.one.is_none() {
            return Err("--trace goes with --seed N".to_owned());
        }
        let several = ["--seeds", "--first", "--jobs", "--planted"];
        if options.one.is_some() && args.iter().any(|arg| several.contains(&arg.as_str())) {
            return Err(format!("--seed N runs one seed, without {}", several.join(", ")));
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
        let options = parse("--seeds 30 --first 7 --jobs 1 --plant LostTicket").unwrap();
        assert_eq!((options.seeds.count, options.seeds.first, options.seeds.jobs), (30, 7, 1));
        assert_eq!(options.bug, PlantedBug::parse("LostTicket"));
        assert!(options.bug.is_some());
        assert_eq!(parse("--tail").unwrap().seeds.world, WorldKind::Tail);
        assert_eq!(parse("--spool").unwrap().seeds.world, WorldKind::Spool);
        let options = parse("--seed 9 --trace").unwrap();
        assert_eq!((options.one, options.is_traced), (Some(9), true));
        let wrong = ["--seeds", "--seeds many", "--seeds 0", "--seed -1", "--jobs 0", "--trace"];
        for wrong in wrong.into_iter().chain(["--plant x", "--fast", "--seed 4 --seeds 10"]) {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
