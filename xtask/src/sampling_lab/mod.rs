//! `cargo xtask sampling-lab`: adaptive samplers under loads of all shapes, in virtual time.

mod contestant;
mod measurements;
mod page;
mod scenario;
mod sheet;

use scenario::{SCENARIOS, Scenario};
use sheet::Sheet;
use std::fs;
use std::time::Instant;

use crate::Command;
use crate::lab::{Options, failed};

pub(crate) const COMMAND: Command = Command {
    name: "sampling-lab",
    summary: "adaptive sampling algorithms under load, in virtual time, with a plot each",
    help: "\
Runs each scenario against the adaptive sampler of spanwise-sampling, the source document's algorithm and
an algorithm like Jaeger's, all with the same roots, and writes a page with a plot and a table for each.

  --out DIR      where `index.html` and an SVG for each scenario go; default target/lab
  --only WORD    only scenarios whose name has WORD in it

Time is virtual and randomness is seeded: the same numbers come out each time, in seconds. Exit status
1 when the sampler leaves the bounds that its tests hold it to.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments, "target/lab")?;
    fs::create_dir_all(&options.out).map_err(|error| failed(&options.out, &error))?;
    let started = Instant::now();
    let chosen = options.choose(SCENARIOS, |scenario: &Scenario| scenario.name)?;
    let mut sheets = Vec::new();
    let mut broken = Vec::new();
    for scenario in chosen {
        let sheet = Sheet::run(scenario);
        println!("{}", sheet.lines());
        if let Some(breach) = sheet.breach() {
            broken.push(breach);
        }
        let path = options.out.join(format!("{}.svg", scenario.name));
        fs::write(&path, page::chart(&sheet).standalone())
            .map_err(|error| failed(&path, &error))?;
        sheets.push(sheet);
    }
    let path = options.out.join("index.html");
    fs::write(&path, page::page(&sheets)).map_err(|error| failed(&path, &error))?;
    println!("{} in {:.1} s", path.display(), started.elapsed().as_secs_f64());
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_scenario_makes_a_page() {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "below-target").unwrap();
        let sheet = Sheet::run(scenario);
        assert_eq!(sheet.breach(), None);
        let page = page::page(&[sheet]);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.contains("below-target") && !page.contains("NaN"));
    }
}
