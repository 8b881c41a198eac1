//! The samples of a run, and their medians.

use crate::demo_service::Outcome;
use std::fmt;

/// The settings of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Untraced,
    Plain,
    Gzip,
    Zstd,
    /// The production preset, without compression.
    Production,
}

impl Setup {
    pub(super) const ALL: [Self; 5] =
        [Self::Untraced, Self::Plain, Self::Gzip, Self::Zstd, Self::Production];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Untraced => "untraced",
            Self::Plain => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Production => "production preset",
        }
    }

    pub(super) fn is_traced(self) -> bool {
        self != Self::Untraced
    }

    pub(super) fn compression(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            _ => "none",
        }
    }
}

/// The numbers of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    /// Processor time over wall time, of a core.
    pub(super) cpu: f64,
    /// The most resident memory, in bytes.
    pub(super) memory: f64,
    /// Bytes on the network, a second.
    pub(super) wire: f64,
    /// Spans that the receiver accepted, a second.
    pub(super) exported: f64,
    /// The share of created spans that were lost.
    pub(super) lost: f64,
}

impl Sample {
    pub(super) fn new(outcome: &Outcome, wire: u64, seconds: f64) -> Self {
        Self {
            cpu: outcome.cpu_seconds / seconds,
            memory: outcome.peak_rss as f64,
            wire: wire as f64 / seconds,
            exported: outcome.exported as f64 / seconds,
            lost: outcome.lost() as f64 / (outcome.created as f64).max(1.0),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, memory, wire, exported, lost } = self;
        write!(
            f,
            "CPU {:.2} %, {:.1} MiB, {:.0} B/s, {exported:.0} exported a second, {:.2} % lost",
            100.0 * cpu,
            memory / f64::from(1 << 20),
            wire,
            100.0 * lost
        )
    }
}

/// The samples of one rate.
pub(super) struct Row {
    pub(super) rate: u64,
    samples: Vec<(Setup, Sample)>,
}

impl Row {
    pub(super) fn new(rate: u64) -> Self {
        Self { rate, samples: Vec::new() }
    }

    pub(super) fn add(&mut self, setup: Setup, sample: Sample) {
        self.samples.push((setup, sample));
    }

    /// Medians of each number; processor time and memory are those beyond the untraced service.
    pub(super) fn traced(&self, setup: Setup) -> Sample {
        let (own, base) = (self.medians(setup), self.medians(Setup::Untraced));
        Sample {
            cpu: (own.cpu - base.cpu).max(0.0),
            memory: (own.memory - base.memory).max(0.0),
            ..own
        }
    }

    fn medians(&self, setup: Setup) -> Sample {
        let median = |number: fn(&Sample) -> f64| {
            let of_setup = self.samples.iter().filter(|(of, _)| *of == setup);
            let mut numbers: Vec<f64> = of_setup.map(|(_, sample)| number(sample)).collect();
            numbers.sort_by(f64::total_cmp);
            numbers.get(numbers.len() / 2).copied().unwrap_or_default()
        };
        Sample {
            cpu: median(|sample| sample.cpu),
            memory: median(|sample| sample.memory),
            wire: median(|sample| sample.wire),
            exported: median(|sample| sample.exported),
            lost: median(|sample| sample.lost),
        }
    }
}

/// All of it.
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_beyond_the_untraced_service() {
        let mut row = Row::new(1_000);
        for (cpu, memory) in [(0.5, 9.0), (0.1, 8.0), (0.2, 7.0)] {
            row.add(Setup::Untraced, Sample { cpu, memory, ..Sample::default() });
            let (cpu, memory) = (cpu * 3.0, memory + 1.0);
            row.add(Setup::Gzip, Sample { cpu, memory, wire: cpu, ..Sample::default() });
        }
        let gzip = row.traced(Setup::Gzip);
        assert!((gzip.cpu - 0.4).abs() < 1e-9, "{gzip:?}");
        assert!((gzip.memory - 1.0).abs() < 1e-9 && (gzip.wire - 0.6).abs() < 1e-9, "{gzip:?}");
        assert_eq!(row.traced(Setup::Zstd).cpu, 0.0);
    }
}
