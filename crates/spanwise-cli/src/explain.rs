//! `spanwise explain`.

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::traces_file::{self, TracesError};
use crate::{explanation_json, problems};
use serde_json::{Value, json};
use spanwise_config::{Document, Problem, Problems};
use spanwise_tail::{Decision, ExplainError, Explanation, TailSamplingConfig};
use std::fmt::Write as _;
use std::path::Path;

pub const COMMAND: Command = Command {
    name: "explain",
    usage: "FILE TRACES [--processor NAME] [--json]",
    summary: "The decision of tail sampling about each trace of a file, and the vote of each policy with its reason",
    help: "Reads the policies of a Collector's file, of a file of spanwise-node, or of a file with the block of the processor \
           `tail_sampling` alone, and the traces of an OTLP export: JSON, one object or one on each line, or protobuf. Prints a line for each trace with its \
           decision, and one for each policy with its vote, the value behind it, the value that it wants and the span. Limits are \
           not used up and the wait is over. Policies that depend on the traffic (rate_limiting, bytes_limiting, composite) decide \
           as at its start. Nothing is sent. Values of spans are shown, as sensitive as they are.\n\n\
           --processor is the name of the block if the file has several, such as tail_sampling/shop. ${VARIABLES} have the values \
           of this environment. The exit status is 0 if the decisions are made, also if no trace is sampled. --json prints one object.",
    file: FileArgument::WithTraces,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let explained = explain(arguments);
    let is_well = explained.is_ok();
    let text = match (explained, arguments.json) {
        (Ok(explained), false) => explained.text(),
        (Ok(explained), true) => explained.json().to_string(),
        (Err(error), false) => error.text(),
        (Err(error), true) => json!({ "problems": error.json() }).to_string(),
    };
    Output { text, is_well }
}

/// The decisions about a file.
struct Explained {
    warnings: Vec<Problem>,
    traces: Vec<Explanation>,
    /// Spans that are in no explanation.
    left_out: u64,
}

enum Failure {
    Config(Problems),
    Traces(String, TracesError),
    Decision(ExplainError),
}

fn explain(arguments: &Arguments) -> Result<Explained, Failure> {
    let file = arguments.file.clone().unwrap_or_default();
    let environment = |name: &str| std::env::var(name).ok();
    let document = Document::open(&file, environment).map_err(Failure::Config)?;
    let processor = arguments.processor.as_deref();
    let config =
        TailSamplingConfig::from_document(&document, processor).map_err(Failure::Config)?;
    let path = arguments.traces.clone().unwrap_or_default();
    let traces = read(&path)?;
    let explained = config.value.explain(&traces.request).map_err(|error| match error {
        ExplainError::Request(error) => traces_error(&path, TracesError::malformed(&error)),
        error => Failure::Decision(error),
    })?;
    let decided: u64 = explained.iter().map(|trace| trace.spans).sum();
    Ok(Explained {
        warnings: config.warnings,
        left_out: traces.spans.saturating_sub(decided),
        traces: explained,
    })
}

fn read(path: &Path) -> Result<traces_file::Traces, Failure> {
    traces_file::read(path).map_err(|error| traces_error(path, error))
}

fn traces_error(path: &Path, error: TracesError) -> Failure {
    Failure::Traces(path.display().to_string(), error)
}

impl Explained {
    fn text(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let _infallible = writeln!(text, "warning: {warning}");
        }
        for trace in &self.traces {
            let _infallible = writeln!(text, "{trace}");
        }
        let is_sampled = |trace: &&Explanation| trace.decision == Decision::Sampled;
        let sampled = self.traces.iter().filter(is_sampled).count();
        let _infallible = write!(text, "{sampled} of {} traces sampled", self.traces.len());
        if self.left_out > 0 {
            let _infallible = write!(
                text,
                "; {} spans left out: they have no valid trace id, cannot be read, or follow an earlier decision",
                self.left_out
            );
        }
        text
    }

    fn json(&self) -> Value {
        let traces: Vec<Value> = self.traces.iter().map(explanation_json::of).collect();
        let warnings: Vec<String> = self.warnings.iter().map(ToString::to_string).collect();
        json!({ "traces": traces, "left_out_spans": self.left_out, "warnings": warnings })
    }
}

impl Failure {
    fn text(&self) -> String {
        match self {
            Self::Config(problems) => problems.to_string(),
            Self::Traces(path, TracesError { position: Some((line, column)), message }) => {
                format!("{path}:{line}:{column}: {message}")
            }
            Self::Traces(path, TracesError { message, .. }) => format!("{path}: {message}"),
            Self::Decision(error) => error.to_string(),
        }
    }

    fn json(&self) -> Vec<Value> {
        match self {
            Self::Config(problems) => problems.iter().map(problems::one).collect(),
            Self::Traces(path, TracesError { position, message }) => {
                let (line, column) = position.unzip();
                vec![json!({ "file": path, "line": line, "column": column, "message": message })]
            }
            Self::Decision(error) => vec![json!({ "message": error.to_string() })],
        }
    }
}
