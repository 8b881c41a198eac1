//! The options of the comparison.

use std::fmt;
use std::time::Duration;

pub(super) const HELP: &str = "\
Threads make traces as fast as they can, with default settings, against a receiver in this process.
Each round runs all behaviours of a full queue. Prints medians.

  --rounds N           default 9
  --millis N           time of a run, default 400
  --threads N          threads that make spans, default 2
  --spans N            spans of a trace, default 5
  --deep               each span is the parent of the next; default: all are children of the root
  --open N             traces that each thread has open at once, default 1
  --span-bytes N       bytes of an attribute of each span, default 100
  --answer-after MS    the receiver delays its answers, default 0
  --budget-bytes N     default: that of the provider

The columns: spans created and delivered a second, the share that was delivered, the traces that arrived
with all their spans, those that did not, as a share of all roots that started, and the roots that a
backend counts by the thresholds of those that arrived, as a share of the roots that started.";

/// The options, checked.
pub(super) struct Options {
    pub(super) rounds: usize,
    pub(super) time: Duration,
    pub(super) threads: usize,
    /// Spans of a trace.
    pub(super) spans: u64,
    pub(super) is_deep: bool,
    /// Open traces of each thread.
    pub(super) open: usize,
    pub(super) span_bytes: usize,
    pub(super) answer_after: Duration,
    pub(super) budget_bytes: Option<usize>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            rounds: 9,
            time: Duration::from_millis(400),
            threads: 2,
            spans: 5,
            is_deep: false,
            open: 1,
            span_bytes: 100,
            answer_after: Duration::ZERO,
            budget_bytes: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--deep" {
                options.is_deep = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = |min: u64, max: u64| {
                let number = value.parse().ok().filter(|number| (min..=max).contains(number));
                number.ok_or_else(|| format!("{name} {value}: accepted is {min} to {max}"))
            };
            match name.as_str() {
                "--rounds" => options.rounds = number(1, 10_000)? as usize,
                "--millis" => options.time = Duration::from_millis(number(1, 600_000)?),
                "--threads" => options.threads = number(1, 1024)? as usize,
                "--spans" => options.spans = number(1, 10_000)?,
                "--open" => options.open = number(1, 1 << 20)? as usize,
                "--span-bytes" => options.span_bytes = number(0, 1 << 20)? as usize,
                "--answer-after" => {
                    options.answer_after = Duration::from_millis(number(0, 10_000)?)
                }
                "--budget-bytes" => {
                    options.budget_bytes = Some(number(1 << 20, 16 << 30)? as usize);
                }
                _ => return Err(format!("no option {name}; see cargo xtask overload --help")),
            }
        }
        Ok(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, time, threads, spans, open, span_bytes, answer_after, .. } = self;
        let shape = if self.is_deep { "deep" } else { "wide" };
        write!(
            f,
            "{rounds} rounds of {time:?}: {threads} threads with {open} open {shape} traces of {spans} \
             spans of {span_bytes} bytes, answers after {answer_after:?}"
        )
    }
}
