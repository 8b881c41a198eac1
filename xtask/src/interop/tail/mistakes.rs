//! Blocks with a mistake: which the Collector refuses, and which Spanwise does.

use crate::peers::{Running, Scratch, free_ports};
use spanwise_config::Document;
use spanwise_tail::{
    ProbabilisticSampler, ProbabilisticSamplerConfig, TailSampler, TailSamplingConfig,
};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A block, and the reason of each that refuses it.
pub(super) struct Refusals {
    mistake: Mistake,
    theirs: Option<String>,
    ours: Option<String>,
}

/// A line of the list.
struct Mistake {
    /// `tail_sampling: {…}`
    block: &'static str,
    /// A part of the reason of each that refuses the block.
    theirs: Option<&'static str>,
    ours: Option<&'static str>,
}

/// All blocks, read by both.
///
/// # Errors
/// The Collector cannot be started.
pub(super) fn refusals(collector: &Path) -> Result<Vec<Refusals>, String> {
    let read = |mistake: Mistake| {
        let (theirs, ours) = (theirs(collector, mistake.block)?, ours(mistake.block));
        Ok(Refusals { mistake, theirs, ours })
    };
    mistakes().map(read).collect()
}

impl Refusals {
    /// Whether each refuses the block that it should, with its reason.
    fn is_expected(&self) -> bool {
        self.mistake.theirs_is(self.theirs.as_deref()) && self.mistake.ours_is(self.ours.as_deref())
    }
}

impl Mistake {
    fn theirs_is(&self, reason: Option<&str>) -> bool {
        is_expected(reason, self.theirs)
    }

    fn ours_is(&self, reason: Option<&str>) -> bool {
        is_expected(reason, self.ours)
    }
}

fn is_expected(reason: Option<&str>, expected: Option<&str>) -> bool {
    match (reason, expected) {
        (None, None) => true,
        (Some(reason), Some(part)) => reason.contains(part),
        _ => false,
    }
}

/// One line.
///
/// # Errors
/// A reason is not the expected one.
pub(super) fn summary(all: &[Refusals]) -> Result<String, String> {
    let wrong: Vec<String> = all
        .iter()
        .filter(|refusals| !refusals.is_expected())
        .map(|refusals| {
            format!(
                "{}\n    the Collector: {}\n    Spanwise: {}",
                refusals.mistake.block,
                refusals.theirs.as_deref().unwrap_or(ACCEPTED),
                refusals.ours.as_deref().unwrap_or(ACCEPTED)
            )
        })
        .collect();
    if wrong.is_empty() {
        return Ok(format!("{} blocks with mistakes, refused as by the Collector", all.len()));
    }
    Err(format!("reasons differ:\n{}", wrong.join("\n")))
}

/// The part of the report about blocks with a mistake.
pub(super) fn page(all: &[Refusals]) -> String {
    let mut text = "\n## Mistakes\n\n| block | Collector | Spanwise |\n|---|---|---|\n".to_owned();
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for Refusals { mistake, theirs, ours } in all {
        let [theirs, ours] =
            [theirs, ours].map(|reason| cell(reason.as_deref().unwrap_or(ACCEPTED)));
        let _infallible = writeln!(text, "| `{}` | {theirs} | {ours} |", cell(mistake.block));
    }
    text
}

fn mistakes() -> impl Iterator<Item = Mistake> {
    let lines = include_str!("mistakes.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (who, rest) = line.split_once(' ')?;
        let mut parts = rest.split(" # ");
        let block = parts.next()?;
        let first = parts.next();
        let second = parts.next().or(first);
        match who {
            "both" => Some(Mistake { block, theirs: Some(second?), ours: Some(first?) }),
            "ours" => Some(Mistake { block, theirs: None, ours: Some(first?) }),
            "none" => Some(Mistake { block, theirs: None, ours: None }),
            _ => None,
        }
    })
}

/// The reason of Spanwise; `None` if it accepts the block.
fn ours(block: &str) -> Option<String> {
    let read = || {
        let document = Document::parse("c.yaml", block.as_bytes(), |_| None)?;
        if block.starts_with(TAIL) {
            let config = TailSamplingConfig::from_document(&document, None)?.value;
            let built = TailSampler::new(&config, Instant::now());
            return Ok(built.err().map(|error| error.to_string()));
        }
        let config = ProbabilisticSamplerConfig::from_document(&document, None)?.value;
        Ok(ProbabilisticSampler::new(&config).err().map(|error| error.to_string()))
    };
    read().unwrap_or_else(|problems: spanwise_config::Problems| Some(problems.to_string()))
}

/// The reason of the Collector; `None` if it starts.
fn theirs(collector: &Path, block: &str) -> Result<Option<String>, String> {
    let scratch = Scratch::new("tail-mistake")?;
    let [port] = free_ports()?;
    let path = scratch.path().join("collector.yaml");
    let stored = scratch.path().join("stored");
    let (processor, _) = block.split_once(':').unwrap_or_default();
    let text = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\nprocessors:\n  {block}\n\
         exporters: {{file: {{path: '{}'}}}}\nservice:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  pipelines: \
         {{traces: {{receivers: [otlp], processors: [{processor}], exporters: [file]}}}}\n",
        stored.display()
    );
    fs::write(&path, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(collector);
    command.arg("--config").arg(format!("file:{}", path.display()));
    let mut running = Running::start("the Collector", command)?;
    match running.wait_for_ports(&[port], START) {
        Ok(()) => running.stop().map(|()| None),
        Err(problem) => Ok(Some(reason(&problem))),
    }
}

/// The message among the lines of the Collector's errors.
fn reason(problem: &str) -> String {
    let lines: Vec<&str> = problem.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = lines.iter().position(|line| line.contains("rror: ")).unwrap_or_default();
    let message = lines.get(start..).unwrap_or_default().join(" ");
    message.chars().take(400).collect()
}

const ACCEPTED: &str = "accepted";
const TAIL: &str = "tail_sampling:";
const START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_block() {
        let lines = include_str!("mistakes.txt").lines().filter(|line| !line.starts_with('#'));
        assert_eq!(mistakes().count(), lines.count());
    }

    #[test]
    fn spanwise_refuses_the_blocks_that_it_should_with_their_reasons() {
        let wrong: Vec<String> = mistakes()
            .map(|mistake| (ours(mistake.block), mistake))
            .filter(|(reason, mistake)| !mistake.ours_is(reason.as_deref()))
            .map(|(reason, mistake)| format!("{}: {reason:?}", mistake.block))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
