//! Rows that are measured again because their samples differ, or because others used the machine.

use super::row::Row;

/// The number of processes of each row, and of those that follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    /// Processes of every row.
    pub(super) planned: usize,
    /// Most processes more of a row that is unsteady.
    pub(super) extra: usize,
}

impl Rounds {
    pub(super) fn new(quick: bool) -> Self {
        if quick { Self { planned: 2, extra: 1 } } else { Self { planned: 5, extra: 3 } }
    }

    /// Whether another process of this row is worth its time.
    pub(super) fn wants_another(&self, row: &Row) -> bool {
        row.processes() < self.planned + self.extra && is_unsteady(row, self.planned)
    }
}

/// The rows that were measured again, and those whose numbers are still uncertain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Repeats {
    /// `workload/implementation`, and the number of processes more.
    pub(super) repeated: Vec<(String, usize)>,
    /// `workload/implementation`, and the reason.
    pub(super) unsteady: Vec<(String, String)>,
}

impl Repeats {
    pub(super) fn of(rows: &[Row], rounds: Rounds) -> Self {
        let name = |row: &Row| format!("{}/{}", row.workload, row.implementation);
        let more = |row: &Row| row.processes().saturating_sub(rounds.planned);
        let repeated = rows.iter().filter(|row| more(row) > 0);
        let unsteady = rows.iter().filter(|row| is_unsteady(row, rounds.planned));
        Self {
            repeated: repeated.map(|row| (name(row), more(row))).collect(),
            unsteady: unsteady.map(|row| (name(row), reason(row, rounds.planned))).collect(),
        }
    }
}

/// Too wide, or with fewer undisturbed processes than were planned.
fn is_unsteady(row: &Row, planned: usize) -> bool {
    row.undisturbed() < planned || is_wide(row)
}

fn is_wide(row: &Row) -> bool {
    row.spread().is_some_and(|spread| spread > WIDEST)
}

fn reason(row: &Row, planned: usize) -> String {
    let mut reasons = Vec::new();
    if let Some(spread) = row.spread().filter(|_| is_wide(row)) {
        reasons.push(format!("spread {:.0} %", 100.0 * spread));
    }
    if row.undisturbed() < planned {
        let (undisturbed, all) = (row.undisturbed(), row.processes());
        reasons.push(format!("{undisturbed} of {all} processes without foreign load"));
    }
    reasons.join(", ")
}

/// The widest interquartile range of a steady row, as a share of the median. The median of ten samples
/// is then uncertain by some 3 %, less than the margin of the narrowest target.
pub(super) const WIDEST: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(processes: &[(&[f64], f64)]) -> Row {
        let mut row = Row::new("w1", "x");
        processes.iter().for_each(|(ns, foreign)| row.add(&json!({"ns": ns}), Some(*foreign)));
        row
    }

    const ROUNDS: Rounds = Rounds { planned: 2, extra: 2 };
    const STEADY: &[f64] = &[9.9, 10.0, 10.0, 10.0, 10.1];
    /// Quartiles 9 and 11.
    const WIDE: &[f64] = &[8.0, 9.0, 10.0, 11.0, 12.0];

    #[test]
    fn a_steady_row_is_not_measured_again() {
        let steady = row(&[(STEADY, 0.0), (STEADY, 0.05)]);
        assert!(!ROUNDS.wants_another(&steady));
        assert_eq!(Repeats::of(&[steady], ROUNDS), Repeats::default());
    }

    #[test]
    fn a_wide_row_is_measured_again_up_to_the_limit() {
        let wide = |count| row(&vec![(WIDE, 0.0); count]);
        assert!(ROUNDS.wants_another(&wide(2)) && ROUNDS.wants_another(&wide(3)));
        assert!(!ROUNDS.wants_another(&wide(4)));
        let repeats = Repeats::of(&[wide(4)], ROUNDS);
        assert_eq!(repeats.repeated, [("w1/x".to_owned(), 2)]);
        assert_eq!(repeats.unsteady, [("w1/x".to_owned(), "spread 20 %".to_owned())]);
    }

    #[test]
    fn a_disturbed_process_is_replaced() {
        let disturbed = row(&[(STEADY, 0.0), (STEADY, 0.5)]);
        assert!(ROUNDS.wants_another(&disturbed));
        let replaced = row(&[(STEADY, 0.0), (STEADY, 0.5), (STEADY, 0.0)]);
        assert!(!ROUNDS.wants_another(&replaced));
        let repeats = Repeats::of(&[replaced], ROUNDS);
        assert_eq!((repeats.repeated.len(), repeats.unsteady.len()), (1, 0));
        let never = Repeats::of(&[row(&[(STEADY, 0.5); 4])], ROUNDS);
        let reason = never.unsteady.first().map(|(_, reason)| reason.as_str());
        assert_eq!(reason, Some("0 of 4 processes without foreign load"));
    }

    #[test]
    fn more_steady_samples_make_a_row_steady() {
        let wide = row(&[(WIDE, 0.0), (WIDE, 0.0)]);
        assert!(ROUNDS.wants_another(&wide));
        let calmed = row(&[(WIDE, 0.0), (WIDE, 0.0), (STEADY, 0.0), (STEADY, 0.0)]);
        let repeats = Repeats::of(&[calmed], ROUNDS);
        assert_eq!((repeats.repeated.len(), repeats.unsteady.len()), (1, 0));
    }
}
