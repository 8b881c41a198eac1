//! The alerts under each fault of a real process.

use super::faulty::{Fault, Faulty};
use super::prometheus::Prometheus;
use super::rules::Alert;
use crate::peers::wait_until;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The times of all alerts under all faults.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Alerts that fired in health.
    early: Vec<String>,
    /// By fault and alert.
    of: BTreeMap<(&'static str, String), Time>,
}

/// After the begin of a fault, and after its end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Time {
    fired: Duration,
    cleared: Option<Duration>,
}

impl Times {
    /// Waits for health, and then begins and ends each fault. `during` is called in the overload, in which each metric has values.
    ///
    /// # Errors
    /// Prometheus or the process does not answer. An alert that does not fire is no error here.
    pub(super) fn measure(
        prometheus: &Prometheus,
        process: &mut Faulty,
        during: impl FnOnce(&Faulty),
    ) -> Result<Self, String> {
        let mut times = Self::default();
        // Longer than any alert of the copy needs to fire.
        std::thread::sleep(SILENCE);
        times.early = prometheus.firing()?;
        let mut during = Some(during);
        for fault in Fault::ALL {
            process.set(Some(fault))?;
            times.fire(prometheus, fault)?;
            if let Some(during) = during.take_if(|_| fault == Fault::Overload) {
                during(process);
            }
            process.set(None)?;
            times.clear(prometheus, fault)?;
        }
        Ok(times)
    }

    /// Waits until all alerts of the fault fire; others that do are noted too.
    fn fire(&mut self, prometheus: &Prometheus, fault: Fault) -> Result<(), String> {
        let started = Instant::now();
        let mut answer = Ok(Vec::new());
        wait_until(PATIENCE, || {
            answer = prometheus.firing();
            let Ok(firing) = &answer else { return true };
            for alert in firing {
                let time = Time { fired: started.elapsed(), cleared: None };
                self.of.entry((fault.name(), alert.clone())).or_insert(time);
            }
            fault.alerts().iter().all(|alert| firing.iter().any(|other| other == alert))
        });
        answer.map(drop)
    }

    /// Waits until none fires.
    fn clear(&mut self, prometheus: &Prometheus, fault: Fault) -> Result<(), String> {
        let started = Instant::now();
        let mut answer = Ok(Vec::new());
        wait_until(PATIENCE, || {
            answer = prometheus.firing();
            let Ok(firing) = &answer else { return true };
            for ((of, alert), time) in &mut self.of {
                if *of == fault.name() && !firing.contains(alert) {
                    time.cleared.get_or_insert(started.elapsed());
                } else if *of == fault.name() {
                    // It fires again, or only now.
                    time.cleared = None;
                }
            }
            firing.is_empty()
        });
        answer.map(drop)
    }

    /// Whether the alert was silent in health, fired under each fault that causes it, and cleared.
    pub(super) fn outcome(&self, alert: &str) -> Result<String, String> {
        if self.early.iter().any(|early| early == alert) {
            return Err("it fired without a fault".to_owned());
        }
        let faults = Fault::ALL.iter().filter(|fault| fault.alerts().contains(&alert));
        let outcomes = faults.map(|fault| {
            let name = fault.name();
            let time = self.of.get(&(name, alert.to_owned()));
            let time = time.ok_or_else(|| format!("{name}: it did not fire"))?;
            let cleared = time.cleared.ok_or_else(|| format!("{name}: it did not clear"))?;
            let (fired, cleared) = (time.fired.as_secs_f64(), cleared.as_secs_f64());
            Ok(format!("{name}: fires after {fired:.1} s, clears after {cleared:.1} s"))
        });
        let outcomes = outcomes.collect::<Result<Vec<_>, String>>()?;
        if outcomes.is_empty() {
            Err("no fault causes it".to_owned())
        } else {
            Ok(outcomes.join("; "))
        }
    }

    /// The times in Markdown: a row for each alert, a column for each fault.
    pub(super) fn markdown(&self, alerts: &[Alert]) -> String {
        let mut text = String::from("| alert |");
        Fault::ALL.iter().for_each(|fault| text += &format!(" {} |", fault.name()));
        text += &format!("\n|---|{}\n", "---|".repeat(Fault::ALL.len()));
        for Alert { name, .. } in alerts {
            let _infallible = write!(text, "| `{name}` |");
            for fault in Fault::ALL {
                let cell = match self.of.get(&(fault.name(), name.clone())) {
                    None => "silent".to_owned(),
                    Some(Time { fired, cleared }) => {
                        let cleared = cleared
                            .map_or("not".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
                        format!("{:.1} s / {cleared}", fired.as_secs_f64())
                    }
                };
                let _infallible = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }
}

const PATIENCE: Duration = Duration::from_secs(90);
const SILENCE: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use super::*;

    fn times(entries: &[(Fault, &str, Option<u64>)]) -> Times {
        let mut times = Times::default();
        for (fault, alert, cleared) in entries {
            let cleared = cleared.map(Duration::from_secs);
            let time = Time { fired: Duration::from_secs(3), cleared };
            times.of.insert((fault.name(), (*alert).to_owned()), time);
        }
        times
    }

    #[test]
    fn an_alert_has_to_be_silent_to_fire_and_to_clear_under_each_of_its_faults() {
        let mut good = times(&[(Fault::Flood, "HighCPUUsage", Some(4))]);
        let text = "as many spans as possible: fires after 3.0 s, clears after 4.0 s";
        assert_eq!(good.outcome("HighCPUUsage").as_deref(), Ok(text));
        good.early.push("HighCPUUsage".to_owned());
        assert!(good.outcome("HighCPUUsage").is_err());
        let wrong = times(&[
            (Fault::Closed, "NothingExported", Some(4)),
            (Fault::Overload, "QueueNearFull", None),
        ]);
        for alert in ["NothingExported", "QueueNearFull", "Unknown"] {
            assert!(wrong.outcome(alert).is_err(), "{alert}");
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_alert() {
        let alert = |name: &str| Alert { name: name.to_owned(), expression: String::new() };
        let times = times(&[(Fault::Closed, "A", Some(4)), (Fault::Refusing, "A", None)]);
        let rows = "| `A` | 3.0 s / 4.0 s | 3.0 s / not | silent | silent |\n| `B` | silent | silent | silent | silent |\n";
        let text = times.markdown(&[alert("A"), alert("B")]);
        assert!(text.ends_with(rows), "{text}");
    }

    #[test]
    fn every_alert_of_the_file_has_a_fault() {
        let files = super::super::setup::Files::read().unwrap();
        for alert in super::super::rules::read(&files.rules).unwrap() {
            let has_fault =
                Fault::ALL.iter().any(|fault| fault.alerts().contains(&alert.name.as_str()));
            assert!(has_fault, "{}", alert.name);
        }
    }
}
