//! The table: the worst overshoot of each cell.

use super::cell::{Behaviour, CallContext, Cell, DEADLINES};
use std::fmt;
use std::time::Duration;

/// The outcome of the matrix.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<CellRow>,
    /// Runs that counted.
    pub(super) runs: usize,
    /// Runs that the machine delayed and that were repeated.
    pub(super) repeated: usize,
    /// The longest delay of a control thread beside a run that was repeated.
    pub(super) worst_delay: Duration,
    /// Broken rules, with their runs.
    pub(super) problems: Vec<String>,
    pub(super) elapsed: Duration,
    /// The longest accepted overshoot.
    limit: Duration,
}

/// The runs of one cell.
#[derive(Debug)]
struct CellRow {
    cell: Cell,
    worst: Duration,
}

impl Report {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Adds a run that counts.
    pub(super) fn add(&mut self, cell: Cell, overshoot: Duration) {
        self.runs += 1;
        match self.rows.iter_mut().find(|row| row.cell == cell) {
            Some(row) => row.worst = row.worst.max(overshoot),
            None => self.rows.push(CellRow { cell, worst: overshoot }),
        }
    }

    /// # Errors
    /// A run broke a rule.
    pub(super) fn outcome(&self) -> Result<(), String> {
        match self.problems.len() {
            0 => Ok(()),
            count => Err(format!("{count} runs broke a rule")),
        }
    }

    fn worst_of(&self, cell: Cell) -> Option<Duration> {
        self.rows.iter().find(|row| row.cell == cell).map(|row| row.worst)
    }

    fn worst(&self) -> Duration {
        self.rows.iter().map(|row| row.worst).max().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for deadline in DEADLINES {
            write!(f, "\nworst overshoot in ms, deadline {deadline:?}\n{:<18}", "")?;
            Behaviour::ALL.iter().try_for_each(|it| write!(f, "{:>10}", it.name()))?;
            writeln!(f)?;
            for context in CallContext::ALL {
                write!(f, "  {:<16}", context.name())?;
                for behaviour in Behaviour::ALL {
                    match self.worst_of(Cell { context, behaviour, deadline }) {
                        Some(worst) => write!(f, "{:>10.1}", millis(worst))?,
                        None => write!(f, "{:>10}", "-")?,
                    }
                }
                writeln!(f)?;
            }
        }
        if !self.problems.is_empty() {
            writeln!(f, "\nbroken rules")?;
        }
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "  {problem}")?;
        }
        let Self { runs, repeated, worst_delay, elapsed, limit, .. } = self;
        writeln!(
            f,
            "\n{runs} runs in {:.0} s, worst overshoot {:.1} ms, accepted are {:.0} ms",
            elapsed.as_secs_f64(),
            millis(self.worst()),
            millis(*limit),
        )?;
        writeln!(
            f,
            "{repeated} runs were repeated, beside which a thread that only sleeps woke up to {:.1} ms late",
            millis(*worst_delay),
        )
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The problems that are printed.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_worst_of_each_cell() {
        let mut report = Report::default();
        for (cell, overshoot) in Cell::all().into_iter().zip(1..) {
            report.add(cell, Duration::from_millis(overshoot));
            report.add(cell, Duration::ZERO);
        }
        let text = report.to_string();
        assert_eq!(report.runs, 336);
        for overshoot in 1..=168 {
            assert!(text.contains(&format!(" {overshoot}.0")), "{overshoot}: {text}");
        }
        assert_eq!(report.outcome(), Ok(()));
        report.problems.push("hung".to_owned());
        assert!(report.outcome().is_err() && report.to_string().contains("hung"));
    }
}
