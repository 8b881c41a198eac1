//! The cases that need a server of Prometheus.

use super::dashboard::{self, Panel};
use super::faulty::Faulty;
use super::fixture::Fixture;
use super::prometheus::Prometheus;
use super::rules::{self, Alert};
use super::scenarios::Times;
use super::series;
use super::setup::{self, Setup, Target};
use crate::markers::{self, Stale};
use crate::peers::{Report, wait_until};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let cases = Cases::read(setup)?;
    let names = cases.names();
    if !report.wants_any(names.iter().cloned()) {
        return Ok(());
    }
    let programs = match &setup.programs {
        Ok(programs) => programs,
        Err(reason) => {
            names.iter().for_each(|name| report.skip(name, reason));
            return Ok(());
        }
    };
    match setup.target {
        Target::Process => of_process(setup, report, programs, &cases),
        Target::MadeUp => of_made_up_values(setup, report, programs, &cases),
        Target::Address(address) => {
            let prometheus = start(setup, programs, address)?;
            cases.dashboard(&prometheus, report);
            let reason = "the process of --target has no faults";
            cases.alerts.iter().for_each(|alert| report.skip(&name_of_alert(alert), reason));
            prometheus.stop()
        }
    }
}

/// The queries and the alerts of the files.
struct Cases {
    panels: Vec<Panel>,
    variables: Vec<(String, String)>,
    alerts: Vec<Alert>,
}

impl Cases {
    fn read(setup: &Setup) -> Result<Self, String> {
        Ok(Self {
            panels: dashboard::read(&setup.files.dashboard)?,
            variables: dashboard::variables(&setup.files.dashboard)?,
            alerts: rules::read(&setup.files.rules)?,
        })
    }

    fn names(&self) -> Vec<String> {
        let names = self.panels.iter().map(name_of).chain(self.alerts.iter().map(name_of_alert));
        let names = names.chain(self.variables.iter().map(|(label, _)| name_of_variable(label)));
        names.chain([SERVED.to_owned()]).collect()
    }

    fn dashboard(&self, prometheus: &Prometheus, report: &mut Report) {
        for panel in &self.panels {
            report.case(&name_of(panel), || data_of(prometheus, panel));
        }
        for (label, series) in &self.variables {
            report.case(&name_of_variable(label), || {
                let series = dashboard::substituted(series, INTERVAL);
                let values = prometheus.label_values(label, &series)?;
                if values.is_empty() { Err("no value".to_owned()) } else { Ok(values.join(", ")) }
            });
        }
    }
}

fn start(setup: &Setup, programs: &Path, target: SocketAddr) -> Result<Prometheus, String> {
    Prometheus::start(programs, &setup.scratch, target, &rules::scaled(&setup.files.rules))
}

/// A process with faults: the panels in the overload, in which each metric has values.
fn of_process(
    setup: &Setup,
    report: &mut Report,
    programs: &Path,
    cases: &Cases,
) -> Result<(), String> {
    let mut process = Faulty::start()?;
    let prometheus = start(setup, programs, process.address())?;
    let times = Times::measure(&prometheus, &mut process, |process| {
        cases.dashboard(&prometheus, report);
        let tables = setup.tables();
        report.case(SERVED, || series::check(process.address(), &tables?));
    })?;
    for alert in &cases.alerts {
        report.case(&name_of_alert(alert), || times.outcome(&alert.name));
    }
    if report.options().write {
        let text = times.markdown(&cases.alerts);
        markers::update(&setup::page(), "alerts", &text, Stale::Written)?;
    }
    prometheus.stop()
}

fn of_made_up_values(
    setup: &Setup,
    report: &mut Report,
    programs: &Path,
    cases: &Cases,
) -> Result<(), String> {
    let fixture = Fixture::start(setup.tables()?).map_err(|error| error.to_string())?;
    let prometheus = start(setup, programs, fixture.address())?;
    cases.dashboard(&prometheus, report);
    if report.wants_any(cases.alerts.iter().map(name_of_alert)) {
        let times = fire_and_clear(&prometheus, &fixture, &cases.alerts)?;
        for alert in &cases.alerts {
            report.case(&name_of_alert(alert), || times.outcome(&alert.name));
        }
    }
    prometheus.stop()
}

fn name_of(panel: &Panel) -> String {
    format!("dashboard/{}", panel.title)
}

fn name_of_alert(alert: &Alert) -> String {
    format!("alert/{}", alert.name)
}

fn name_of_variable(label: &str) -> String {
    format!("variable/{label}")
}

/// Waits until each query has a value: the first ones need two scrapes.
fn data_of(prometheus: &Prometheus, panel: &Panel) -> Result<String, String> {
    let mut series = Vec::new();
    for query in &panel.expressions {
        let expression = dashboard::substituted(query, INTERVAL);
        let mut values = Ok(Vec::new());
        wait_until(PATIENCE, || {
            values = prometheus.query(&expression);
            values.as_ref().map_or(true, |values| !values.is_empty())
        });
        match values?.len() {
            0 => return Err(format!("no data: {expression}")),
            count => series.push(count.to_string()),
        }
    }
    Ok(format!("values of each query: {}", series.join(", ")))
}

/// How long each alert took to fire and to clear.
struct MadeUpTimes {
    /// Those that fired without a fault.
    early: Vec<String>,
    fired: BTreeMap<String, Duration>,
    cleared: BTreeMap<String, Duration>,
}

impl MadeUpTimes {
    fn outcome(&self, alert: &str) -> Result<String, String> {
        if self.early.iter().any(|early| early == alert) {
            return Err("it fired without a fault".to_owned());
        }
        let fired = self.fired.get(alert).ok_or("it did not fire")?;
        let cleared = self.cleared.get(alert).ok_or("it did not clear")?;
        let (fired, cleared) = (fired.as_secs_f64(), cleared.as_secs_f64());
        Ok(format!("fires after {fired:.1} s, clears after {cleared:.1} s"))
    }
}

fn fire_and_clear(
    prometheus: &Prometheus,
    fixture: &Fixture,
    alerts: &[Alert],
) -> Result<MadeUpTimes, String> {
    // Longer than any alert of the copy needs to fire.
    std::thread::sleep(SILENCE);
    let early = prometheus.firing()?;
    let (mut fired, mut cleared) = (BTreeMap::new(), BTreeMap::new());
    for (is_faulty, times) in [(true, &mut fired), (false, &mut cleared)] {
        fixture.set_faulty(is_faulty);
        let started = Instant::now();
        let mut answer = Ok(Vec::new());
        wait_until(PATIENCE, || {
            answer = prometheus.firing();
            let Ok(firing) = &answer else { return true };
            for Alert { name, .. } in
                alerts.iter().filter(|a| firing.contains(&a.name) == is_faulty)
            {
                times.entry(name.clone()).or_insert_with(|| started.elapsed());
            }
            times.len() == alerts.len()
        });
        answer?;
    }
    Ok(MadeUpTimes { early, fired, cleared })
}

/// The value of the variables for intervals: five scrapes.
const INTERVAL: &str = "5s";
/// Needs a process: made-up values are those of the page.
const SERVED: &str = "metrics/served";
const PATIENCE: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_has_to_be_silent_to_fire_and_to_clear() {
        let times = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), Duration::from_secs(3))).collect()
        };
        let times = MadeUpTimes {
            early: vec!["early".to_owned()],
            fired: times(&["early", "good", "stays"]),
            cleared: times(&["early", "good"]),
        };
        let good = "fires after 3.0 s, clears after 3.0 s".to_owned();
        assert_eq!(times.outcome("good"), Ok(good));
        for wrong in ["early", "stays", "never"] {
            assert!(times.outcome(wrong).is_err(), "{wrong}");
        }
    }
}
