//! `cargo xtask batching-lab`: batch sizes under loads and receivers of all kinds, in virtual time.

mod calibrate;
mod calibration;
mod contestant;
mod judge;
mod page;
mod receiver;
mod scenario;
mod sheet;
mod world;

use calibration::Calibration;
use contestant::Contestant;
use scenario::{SCENARIOS, Scenario};
use sheet::Sheet;
use std::fs;
use std::time::Instant;

use crate::Command;
use crate::lab::{Options, failed};

pub(crate) const COMMAND: Command = Command {
    name: "batching-lab",
    summary: "fixed and dynamic batch sizes under load, in virtual time, with plots",
    help: "\
Runs each scenario with fixed batch sizes of 128 to 8,192 spans, the source document's dynamic size and ours,
all with the same spans, and prints a table and writes a page with two plots and a table for each.

  --out DIR      where `index.html` goes; default target/batching-lab
  --only WORD    only scenarios whose name has WORD in it
  --calibrate    measures the costs of requests on this machine first, prints them, uses them, and writes
                 `calibration.json` beside the page; otherwise both that are checked in are used, one after
                 the other: an idle machine's (`index.html`) and a busy one's (`1.html`)

Time is virtual and randomness is seeded: the same numbers come out each time. Exit status 1 when ours costs
more than 1.1 times the best fixed size in a scenario.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let (calibrates, others): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|argument| argument == "--calibrate");
    let options = Options::parse(&others, "target/batching-lab")?;
    let chosen = options.choose(SCENARIOS, |scenario: &Scenario| scenario.name)?;
    fs::create_dir_all(&options.out).map_err(|error| failed(&options.out, &error))?;
    let calibrations = match calibrates.is_empty() {
        true => Calibration::checked_in()?,
        false => {
            let calibration = calibrate::calibrate()?;
            let path = options.out.join("calibration.json");
            let text = format!("{:#}\n", calibration.to_json());
            fs::write(&path, text).map_err(|error| failed(&path, &error))?;
            vec![calibration]
        }
    };
    let (started, mut broken) = (Instant::now(), Vec::new());
    for (index, calibration) in calibrations.iter().enumerate() {
        println!("{calibration}");
        let sheets = chosen
            .iter()
            .map(|scenario| {
                let sheet = Sheet::run(scenario, calibration, &Contestant::ALL)?;
                println!("{}", sheet.lines());
                Ok(sheet)
            })
            .collect::<Result<Vec<_>, String>>()?;
        println!("{}", summary(&sheets));
        let breaches = sheets.iter().filter_map(Sheet::breach);
        broken.extend(breaches.map(|breach| format!("{}: {breach}", calibration.machine)));
        let page = if index == 0 { "index.html".to_owned() } else { format!("{index}.html") };
        let path = options.out.join(page);
        fs::write(&path, page::page(&sheets, calibration))
            .map_err(|error| failed(&path, &error))?;
        println!("{}", path.display());
    }
    println!("{:.1} s", started.elapsed().as_secs_f64());
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// The worst and the mean cost of each contestant, over the best fixed size of each scenario; then ours
/// under other weights.
fn summary(sheets: &[Sheet]) -> String {
    let mut text = format!("{:<16}{:>13}{:>13}", "× best fixed", "worst", "mean");
    let ratios = |contestant: Contestant, scale: (f64, f64)| -> (f64, f64) {
        let ratios = sheets.iter().filter_map(|sheet| {
            let mut weights = sheet.weights;
            weights.age *= scale.0;
            weights.lost *= scale.1;
            sheet.ratio(contestant, &weights)
        });
        let ratios: Vec<f64> = ratios.collect();
        (
            ratios.iter().copied().fold(0.0, f64::max),
            ratios.iter().sum::<f64>() / ratios.len() as f64,
        )
    };
    for contestant in Contestant::ALL {
        let (worst, mean) = ratios(contestant, (1.0, 1.0));
        text += &format!("\n  {contestant:<14}{worst:>13.2}{mean:>13.2}");
    }
    for (name, scale) in [
        ("age × 1/4", (0.25, 1.0)),
        ("age × 4", (4.0, 1.0)),
        ("losses × 1/4", (1.0, 0.25)),
        ("losses × 4", (1.0, 4.0)),
    ] {
        let (worst, mean) = ratios(Contestant::Spanwise, scale);
        text += &format!("\n  ours, {name:<8}{worst:>13.2}{mean:>13.2}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short twin of the command.
    #[test]
    fn a_short_scenario_makes_a_page() {
        let calibration = &Calibration::checked_in().unwrap()[0];
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "slow").unwrap();
        let sheet = Sheet::run(scenario, calibration, &Contestant::ALL).unwrap();
        assert_eq!(sheet.breach(), None);
        let again = Sheet::run(scenario, calibration, &[Contestant::Spanwise]).unwrap();
        assert_eq!(again.cells(&again.entries[0])[2..], sheet.cells(&sheet.entries[0])[2..]);
        let page = page::page(&[sheet], calibration);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.contains("\"slow\"") && !page.contains("NaN"));
    }
}
