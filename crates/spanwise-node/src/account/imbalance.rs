//! The error of an account that does not add up.

use std::fmt;

use spanwise_ledger::Snapshot;

/// Error of [`Account::check`](super::Account::check): sums that do not match, one line each.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Imbalance {
    lines: Vec<String>,
}

impl Imbalance {
    /// Notes two sums that differ.
    pub(super) fn compare(&mut self, name: &str, value: u64, other: &str, other_value: u64) {
        if value != other_value {
            self.note(format!("{name} is {value}, and {other} is {other_value}"));
        }
    }

    /// Notes a ledger with spans without an outcome.
    pub(super) fn ledger(&mut self, name: &str, ledger: &Snapshot) {
        if let Err(imbalance) = ledger.check() {
            self.note(format!("{name}: {} spans without an outcome", imbalance.owing));
        }
    }

    pub(super) fn note(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.lines.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Imbalance {}
