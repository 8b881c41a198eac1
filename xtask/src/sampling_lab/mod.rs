//! `cargo xtask sampling-lab`: adaptive samplers under loads of all shapes, in virtual time.

mod contestant;
mod figures;
mod page;
mod plot;
mod scenario;

use contestant::Contestant;
use figures::Figures;
use scenario::{SCENARIOS, Scenario};
use spanwise_testkit::load::Series;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::Command;

pub(crate) const COMMAND: Command = Command {
    name: "sampling-lab",
    summary: "adaptive sampling laws under load, in virtual time, with a plot each",
    help: "\
Runs each scenario against the adaptive sampler of spanwise-sampling, the source document's law and
a law like Jaeger's, all with the same roots, and writes a page with a plot and a table for each.

  --out DIR      where `index.html` and an SVG for each scenario go; default target/lab
  --only WORD    only scenarios whose name has WORD in it

Time is virtual and chance is seeded: the same figures come out each time, in seconds. Exit status
1 when the sampler leaves the bounds that its tests hold it to.",
    run,
};

/// Roots per second that every law is to keep.
const TARGET: f64 = 1000.0;

fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    fs::create_dir_all(&options.out).map_err(|error| said(&options.out, &error))?;
    let started = Instant::now();
    let chosen: Vec<&Scenario> =
        SCENARIOS.iter().filter(|scenario| scenario.name.contains(&options.only)).collect();
    if chosen.is_empty() {
        return Err(format!("no scenario has {:?} in its name", options.only));
    }
    let mut sheets = Vec::new();
    let mut broken = Vec::new();
    for scenario in chosen {
        let sheet = Sheet::run(scenario);
        println!("{}", sheet.lines());
        if let Some(breach) = sheet.breach() {
            broken.push(breach);
        }
        let path = options.out.join(format!("{}.svg", scenario.name));
        fs::write(&path, plot::standalone(&sheet)).map_err(|error| said(&path, &error))?;
        sheets.push(sheet);
    }
    let path = options.out.join("index.html");
    fs::write(&path, page::page(&sheets)).map_err(|error| said(&path, &error))?;
    println!("{} in {:.1} s", path.display(), started.elapsed().as_secs_f64());
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// One scenario, and what everybody made of it.
struct Sheet {
    scenario: &'static Scenario,
    /// Roots offered, by the second.
    offered: Vec<f64>,
    entries: Vec<Entry>,
}

struct Entry {
    contestant: Contestant,
    series: Series,
    figures: Figures,
}

impl Sheet {
    fn run(scenario: &'static Scenario) -> Self {
        // Two cores are all one can count on, and each contestant needs nothing of the others.
        let entries: Vec<Entry> = std::thread::scope(|threads| {
            let running: Vec<_> = Contestant::ALL
                .into_iter()
                .filter(|contestant| !contestant.only_for_slow_changes() || scenario.slow)
                .map(|contestant| (contestant, threads.spawn(move || scenario.run(contestant))))
                .collect();
            running
                .into_iter()
                .filter_map(|(contestant, thread)| {
                    let series = thread.join().ok()?;
                    let figures = Figures::of(&series, scenario);
                    Some(Entry { contestant, series, figures })
                })
                .collect()
        });
        let tenths = entries.first().map(|entry| entry.series.offered.clone()).unwrap_or_default();
        let offered = tenths.chunks(10).map(|tenths| tenths.iter().sum::<u32>().into()).collect();
        Self { scenario, offered, entries }
    }

    /// What leaves the bounds, if anything of ours does.
    fn breach(&self) -> Option<String> {
        let ours = self.entries.iter().find(|entry| entry.contestant == Contestant::Spanwise)?;
        let Figures { worst_second, settled, .. } = ours.figures;
        let (low, high) = self.scenario.bounds;
        let held = worst_second <= self.scenario.worst && (low..=high).contains(&settled);
        (!held).then(|| {
            format!(
                "{}: worst second {worst_second:.2} T (at most {}), settled at {settled:.2} T \
                 ({low} to {high})",
                self.scenario.name, self.scenario.worst
            )
        })
    }

    fn lines(&self) -> String {
        let mut text = self.scenario.name.to_owned();
        for Entry { contestant, figures, .. } in &self.entries {
            text += &format!("\n  {:<20} {figures}", contestant.name());
        }
        text
    }
}

#[derive(Debug)]
struct Options {
    out: PathBuf,
    only: String,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { out: PathBuf::from("target/lab"), only: String::new() };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--out" => options.out = value.into(),
                "--only" => options.only.clone_from(value),
                _ => return Err(format!("knows --out and --only, but not {name:?}")),
            }
        }
        Ok(options)
    }
}

fn said(path: &std::path::Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
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

    #[test]
    fn options() {
        let parse = |words: &[&str]| {
            Options::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&["--out", "x", "--only", "ramp"]).unwrap().out, PathBuf::from("x"));
        assert!(parse(&["--out"]).is_err() && parse(&["--fast", "1"]).is_err());
    }
}
