//! `cargo xtask overload`: the behaviours of a full queue side by side, under the same overload.

mod options;
mod run;
mod traces;

use crate::Command;
use options::{HELP, Options};
use run::Numbers;
use spanwise::OnFull;
use std::time::Duration;

pub(crate) const COMMAND: Command = Command {
    name: "overload",
    summary: "drop, shed and wait side by side: delivered spans, complete traces, counts",
    help: HELP,
    run,
};

/// The modes take turns, so that each meets the same load of the machine.
fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let modes = [
        ("drop", OnFull::Drop),
        ("shed", OnFull::ShedByTrace),
        ("wait", OnFull::Wait(Duration::from_secs(60))),
    ];
    let mut numbers = [const { Vec::new() }; 3];
    for round in 0..options.rounds {
        for step in 0..modes.len() {
            // Each mode follows each other one.
            let index = if round % 2 == 0 { step } else { modes.len() - 1 - step };
            let (Some(mode), Some(of_mode)) = (modes.get(index), numbers.get_mut(index)) else {
                continue;
            };
            of_mode.push(run::run(&options, mode.1)?);
        }
    }
    println!("{options}\n");
    println!(
        "mode   created/s  delivered/s  delivered  complete traces  torn  of all   counted roots"
    );
    for ((name, _), numbers) in modes.iter().zip(&numbers) {
        print(name, numbers);
    }
    let [drop, shed, _] = &numbers;
    let ratios = |value: fn(&Numbers) -> f64| {
        median(drop.iter().zip(shed).map(|(drop, shed)| value(shed) / value(drop)))
    };
    println!(
        "\nshed / drop, medians of rounds: share {:.3}, spans delivered {:.3}",
        ratios(Numbers::share),
        ratios(Numbers::delivered_per_second)
    );
    Ok(())
}

fn print(name: &str, numbers: &[Numbers]) {
    let of = |value: fn(&Numbers) -> f64| median(numbers.iter().map(value));
    println!(
        "{name:<5} {:>8.2} M  {:>9.2} M  {:>7.1} %  {:>13.2} %  {:>4.0}  {:>4.2} %  {:>10.1} %",
        of(|it| it.created as f64 / it.seconds) / 1e6,
        of(Numbers::delivered_per_second) / 1e6,
        100.0 * of(Numbers::share),
        100.0 * of(|it| it.complete as f64 / it.traces as f64),
        of(|it| (it.traces - it.complete) as f64),
        100.0 * of(|it| (it.traces - it.complete) as f64 / it.roots as f64),
        100.0 * of(|it| it.counted_roots / it.roots as f64),
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
