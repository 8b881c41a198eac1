//! `cargo xtask container`: the demo's service in a control group of 64 MiB and half a processor.

mod control_group;
mod hierarchy;
mod judge;
mod limits;
mod receivers;
mod table;

use crate::command::Command;
use crate::demo_service::{self, End, Load, Options};
use crate::markers::{self, Stale};
use crate::step::root;
use control_group::{ControlGroup, Usage};
use hierarchy::Hierarchies;
use judge::Run;
use limits::{CPUS, KILLED, MEMORY};
use receivers::{Receivers, State};
use std::path::{Path, PathBuf};

pub(crate) const COMMAND: Command = Command {
    name: "container",
    summary: "the demo's service in a real control group of 64 MiB and half a processor, each kind of receiver",
    help: "\
Makes a control group (version 1 or 2, whichever the machine has) and runs the demo's service in it, at full speed on two
threads, against receivers that are alive, slow, hung, overloaded, rejecting and dead. Fails if the kernel ends the process, if the
ledger does not add up, or if the limits did not reduce the budget and the requests in flight. A process that uses twice
the memory comes first, and has to be ended by the kernel. Needs root; otherwise the limits are those of a configuration
file, the process has no group, and its resident memory is compared with them.

  --seconds N    time of each run, default 10
  --rate N       spans a second, by one thread, instead of full speed
  --file         without a control group, also as root
  --write        writes the table of docs/production.md",
    run,
};

/// The options, checked.
struct Plan {
    seconds: f64,
    load: Load,
    write: bool,
    file: bool,
}

fn run(arguments: &[String]) -> Result<(), String> {
    let plan = Plan::parse(arguments)?;
    let groups = match plan.file {
        true => Err("--file is given".to_owned()),
        false => Hierarchies::find(Path::new("/")),
    };
    let runs = match groups {
        Ok(hierarchies) => {
            println!("Control groups: {hierarchies}");
            in_groups(&hierarchies, &plan)?
        }
        Err(reason) => {
            println!("No control group ({reason}): the limits are those of a configuration file.");
            with_file(&plan)?
        }
    };
    let (table, name) = match plan.load {
        Load::Rate(spans) => (table::paced(&runs, plan.seconds, spans), "container-paced"),
        _ => (table::full_speed(&runs, plan.seconds), "container"),
    };
    println!("\n{table}");
    let failures: Vec<String> = runs.iter().filter_map(|run| run.check().err()).collect();
    if !failures.is_empty() {
        return Err(failures.join("\n"));
    }
    match (plan.write, runs.first().and_then(|run| run.usage.as_ref())) {
        (false, _) => Ok(()),
        (true, None) => Err("--write needs a control group".to_owned()),
        (true, Some(_)) => {
            markers::update(&root().join("docs/production.md"), name, &table, Stale::Written)
        }
    }
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { seconds: 10.0, load: Load::Full, write: false, file: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut number = |least: f64, most: f64| {
                let number = arguments.next().and_then(|value| value.parse().ok());
                let number = number.filter(|number| (least..=most).contains(number));
                number.ok_or_else(|| format!("{name}: accepted is {least} to {most}"))
            };
            match name.as_str() {
                "--write" => plan.write = true,
                "--file" => plan.file = true,
                "--seconds" => plan.seconds = number(0.1, 3600.0)?,
                "--rate" => plan.load = Load::Rate(number(5.0, 1e7)? as u64),
                _ => return Err(format!("no option {name}; see cargo xtask container --help")),
            }
        }
        Ok(plan)
    }
}

/// Each receiver with a control group of its own.
fn in_groups(hierarchies: &Hierarchies, plan: &Plan) -> Result<Vec<Run>, String> {
    let hog = Options { load: Load::Memory(2 * MEMORY as usize), ..Options::default() };
    let (end, usage) = in_group(hierarchies, &hog)?;
    match end {
        End::Signal(KILLED) if usage.kills > 0 => {
            println!("The kernel ended a process that used {} bytes.", 2 * MEMORY);
        }
        _ => return Err("a process that used twice the memory was not ended".to_owned()),
    }
    each_receiver(plan, |options| {
        let (end, usage) = in_group(hierarchies, options)?;
        Ok((end, Some(usage)))
    })
}

fn in_group(hierarchies: &Hierarchies, options: &Options) -> Result<(End, Usage), String> {
    let group = ControlGroup::create(hierarchies, MEMORY, CPUS)?;
    let end = demo_service::start(options, |program| group.command(program))?;
    let usage = group.usage()?;
    group.remove()?;
    Ok((end, usage))
}

/// Each receiver without a control group.
fn with_file(plan: &Plan) -> Result<Vec<Run>, String> {
    let name = format!("spanwise-container-{}.yaml", std::process::id());
    let file = LimitsFile(std::env::temp_dir().join(name));
    let text = format!("resources:\n  memory_limit: {MEMORY}\n  cpu_limit: {CPUS}\n");
    std::fs::write(&file.0, text).map_err(|error| format!("{}: {error}", file.0.display()))?;
    each_receiver(plan, |options| {
        let config_file = Some(file.0.display().to_string());
        let options = Options { config_file, ..options.clone() };
        let end = demo_service::start(&options, |program| std::process::Command::new(program))?;
        Ok((end, None))
    })
}

fn each_receiver(
    plan: &Plan,
    mut start: impl FnMut(&Options) -> Result<(End, Option<Usage>), String>,
) -> Result<Vec<Run>, String> {
    let receivers = Receivers::start()?;
    let mut runs = Vec::new();
    for state in State::ALL {
        let endpoint = Some(receivers.endpoint(state)?);
        let (load, seconds) = (plan.load, plan.seconds);
        let options = Options { endpoint, load, seconds, ..Options::default() };
        let before = receivers.spans(state);
        let (end, usage) = start(&options)?;
        let received = receivers.spans(state).zip(before).map(|(after, before)| after - before);
        let run = Run { state, end, usage, received };
        println!("{}", run.line());
        runs.push(run);
    }
    Ok(runs)
}

/// A file that is removed at the end.
struct LimitsFile(PathBuf);

impl Drop for LimitsFile {
    fn drop(&mut self) {
        let _removed = std::fs::remove_file(&self.0);
    }
}
