//! The outcome of all runs.

use super::binary::{Binary, Ran};
use std::collections::BTreeMap;
use std::fmt;

/// Sums over all runs of all binaries.
#[derive(Debug, Default)]
pub(super) struct Report {
    binaries: usize,
    loops: usize,
    /// Runs of binaries.
    runs: usize,
    passed: usize,
    /// How often each test failed, and each binary in another way.
    failures: BTreeMap<String, usize>,
    /// The longest each test took, in seconds.
    longest: BTreeMap<String, f64>,
}

impl Report {
    pub(super) fn new(binaries: usize, loops: usize) -> Self {
        Self { binaries, loops, ..Self::default() }
    }

    pub(super) fn add(&mut self, binary: &Binary, ran: Ran) {
        self.runs += 1;
        self.passed += ran.passed.len();
        for (test, seconds) in ran.passed {
            let longest = self.longest.entry(format!("{}: {test}", binary.name)).or_default();
            *longest = longest.max(seconds);
        }
        for what in ran.failed.into_iter().chain(ran.broken) {
            *self.failures.entry(format!("{}: {what}", binary.name)).or_default() += 1;
        }
    }

    fn failed(&self) -> usize {
        self.failures.values().sum()
    }

    /// The sums so far, in half a line.
    pub(super) fn progress(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed())
    }

    /// # Errors
    /// When anything failed.
    pub(super) fn outcome(&self) -> Result<(), String> {
        match self.failed() {
            0 => Ok(()),
            failed => Err(format!("{failed} failures; their output is in target/repeat")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs / self.binaries.max(1);
        let Self { binaries, loops, .. } = self;
        writeln!(f, "{runs} runs of {binaries} test programs, {loops} busy loops beside them")?;
        writeln!(f, "{}", self.progress())?;
        if !self.failures.is_empty() {
            writeln!(f, "\nfailures")?;
        }
        for (name, count) in &self.failures {
            writeln!(f, "  {count:>4} of {runs}  {name}")?;
        }
        let mut slowest: Vec<_> = self.longest.iter().collect();
        slowest.sort_by(|a, b| b.1.total_cmp(a.1));
        writeln!(f, "\nslowest")?;
        for (name, seconds) in slowest.into_iter().take(SLOWEST) {
            writeln!(f, "  {seconds:>8.2} s  {name}")?;
        }
        Ok(())
    }
}

const SLOWEST: usize = 15;
