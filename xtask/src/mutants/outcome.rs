//! The outcome of a mutant.

use std::fmt;

/// The outcome of one mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The compiler refuses it: it counts for nothing.
    Unviable,
    /// This check fails.
    Found(Check),
    /// Every check passes.
    Survived,
}

/// A check that can find a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The first seeds of the simulator.
    Simulator,
    /// The tests of the three crates.
    Tests,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unviable => "unviable",
            Self::Found(Check::Simulator) => "simulator",
            Self::Found(Check::Tests) => "tests",
            Self::Survived => "SURVIVED",
        })
    }
}
