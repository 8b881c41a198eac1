//! `spanwise redact`.

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::problems;
use crate::traces_file::{self, TracesError};
use serde_json::{Value, json};
use spanwise::redaction::{Explanation, Redacted, Redactor, RedactorBuilder, Scratch, Target};
use spanwise_config::{Document, Problem, Problems};
use spanwise_wire::json::from_protobuf;
use spanwise_wire::read::{SpanView, TraceRequest, WireError};
use spanwise_wire::{SpanId, TraceId};
use std::fmt::Write as _;

pub const COMMAND: Command = Command {
    name: "redact",
    usage: "RULES TRACES [--processor NAME] [--json]",
    summary: "What redaction rules do with each span of a file, and with --json the redacted traces",
    help: "Reads rules from a file with a section `redaction`, or from a processor `redaction` or `attributes` of a Collector's file, and \
           the traces of an OTLP export: JSON, one object or one on each line, or protobuf. Prints a line for each span that the rules \
           change, and one for each action with its rule, the part of the span and the key; then how often each rule acted. Names of \
           spans are shown as they are behind the rules, values are not. --json prints one object, with the redacted traces as \
           OTLP/JSON in `request`. Nothing is sent.\n\n\
           --processor is the name of the block if the file has several, such as redaction/cards. ${VARIABLES} have the values of this \
           environment; no output has a hash key. The exit status is 0 if the rules apply, also if they change nothing.",
    file: FileArgument::WithTraces,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let applied = apply(arguments);
    let is_well = applied.is_ok();
    let text = match (applied, arguments.json) {
        (Ok(applied), false) => applied.text(),
        (Ok(applied), true) => applied.json().to_string(),
        (Err(error), false) => error.text(),
        (Err(error), true) => json!({ "problems": error.json() }).to_string(),
    };
    Output { text, is_well }
}

/// The work of rules on a file.
struct Applied {
    warnings: Vec<Problem>,
    spans: u64,
    changed: Vec<ChangedSpan>,
    /// Actions on resources and scopes.
    others: Vec<Explanation>,
    redactor: Redactor,
    request: Vec<u8>,
}

/// A span that rules change.
struct ChangedSpan {
    trace_id: String,
    span_id: String,
    /// Behind the rules.
    name: String,
    actions: Vec<Explanation>,
}

enum Failure {
    Rules(Problems),
    Build(String),
    Traces(String, TracesError),
}

fn apply(arguments: &Arguments) -> Result<Applied, Failure> {
    let file = arguments.file.clone().unwrap_or_default();
    let document = Document::open(&file, |name| std::env::var(name).ok());
    let document = document.map_err(Failure::Rules)?;
    let read = RedactorBuilder::from_document(&document, arguments.processor.as_deref());
    let read = read.map_err(Failure::Rules)?;
    let redactor = read.value.build();
    let redactor =
        redactor.map_err(|error| Failure::Build(format!("{}: {error}", file.display())))?;
    let path = arguments.traces.clone().unwrap_or_default();
    let failure = |error| Failure::Traces(path.display().to_string(), error);
    let traces = traces_file::read(&path).map_err(failure)?;
    let others = redactor.explain_request(&traces.request).into_iter();
    let others = others.filter(is_of_resource_or_scope).collect();
    let mut scratch = Scratch::default();
    let redacted = match redactor.redact_request(&traces.request, &mut scratch) {
        Redacted::Changed(request) => request.to_vec(),
        Redacted::Unchanged => traces.request.clone(),
    };
    let changed = changed_spans(&redactor, &traces.request, &redacted);
    let changed = changed.map_err(|error| failure(TracesError::malformed(&error)))?;
    Ok(Applied {
        warnings: read.warnings,
        spans: traces.spans,
        changed,
        others,
        redactor,
        request: redacted,
    })
}

fn is_of_resource_or_scope(action: &Explanation) -> bool {
    matches!(action.target, Some(Target::ResourceAttribute | Target::ScopeAttribute))
}

/// The spans of a request that differ in the redacted one, which has the same number of them.
fn changed_spans(
    redactor: &Redactor,
    request: &[u8],
    redacted: &[u8],
) -> Result<Vec<ChangedSpan>, WireError> {
    let mut changed = Vec::new();
    let redacted = TraceRequest::new(redacted);
    for (before, behind) in TraceRequest::new(request).spans().zip(redacted.spans()) {
        let actions = redactor.explain(before?.bytes());
        if !actions.is_empty() {
            changed.push(ChangedSpan::new(behind?, actions));
        }
    }
    Ok(changed)
}

impl ChangedSpan {
    fn new(span: SpanView<'_>, actions: Vec<Explanation>) -> Self {
        let trace_id = span.trace_id().map(|id| TraceId::from_bytes(id).to_string());
        let span_id = span.span_id().map(|id| SpanId::from_bytes(id).to_string());
        Self {
            trace_id: trace_id.unwrap_or_default(),
            span_id: span_id.unwrap_or_default(),
            name: span.name().unwrap_or_default().to_owned(),
            actions,
        }
    }

    fn json(&self) -> Value {
        json!({
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "name": self.name,
            "actions": self.actions.iter().map(action).collect::<Vec<_>>(),
        })
    }
}

fn action(action: &Explanation) -> Value {
    json!({
        "rule": action.rule,
        "name": action.name,
        "action": action.action,
        "target": action.target.map(Target::name),
        "key": action.key,
    })
}

impl Applied {
    fn text(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let _infallible = writeln!(text, "warning: {warning}");
        }
        for span in &self.changed {
            let ChangedSpan { span_id, name, actions, .. } = span;
            let _infallible = writeln!(text, "span {span_id} {name:?}");
            for action in actions {
                let _infallible = writeln!(text, "    {action}");
            }
        }
        if !self.others.is_empty() {
            text.push_str("resources and scopes\n");
        }
        for action in &self.others {
            let _infallible = writeln!(text, "    {action}");
        }
        let counts = self.redactor.counts();
        for count in counts.iter().filter(|count| count.count > 0) {
            let _infallible = writeln!(text, "{:>8}  {}", count.count, count.name);
        }
        let (changed, spans) = (self.changed.len(), self.spans);
        let _infallible = write!(text, "{changed} of {spans} spans changed");
        if self.redactor.failures() > 0 {
            let failures = self.redactor.failures();
            let _infallible = write!(text, "; {failures} values deleted that no rule could read");
        }
        text
    }

    fn json(&self) -> Value {
        let mut request = Vec::new();
        // A request that cannot be read has been refused.
        let written = from_protobuf(&self.request, MAX_JSON, &mut request).is_ok();
        let request: Value = match written {
            true => serde_json::from_slice(&request).unwrap_or_default(),
            false => Value::Null,
        };
        let counts = self.redactor.counts();
        let counts = counts.iter().map(|it| json!({ "name": it.name, "count": it.count }));
        json!({
            "spans": self.changed.iter().map(ChangedSpan::json).collect::<Vec<_>>(),
            "resources_and_scopes": self.others.iter().map(action).collect::<Vec<_>>(),
            "counts": counts.collect::<Vec<_>>(),
            "failures": self.redactor.failures(),
            "warnings": self.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "request": request,
        })
    }
}

impl Failure {
    fn text(&self) -> String {
        match self {
            Self::Rules(problems) => problems.to_string(),
            Self::Build(message) => message.clone(),
            Self::Traces(path, TracesError { position: Some((line, column)), message }) => {
                format!("{path}:{line}:{column}: {message}")
            }
            Self::Traces(path, TracesError { message, .. }) => format!("{path}: {message}"),
        }
    }

    fn json(&self) -> Vec<Value> {
        match self {
            Self::Rules(problems) => problems.iter().map(problems::one).collect(),
            Self::Build(message) => vec![json!({ "message": message })],
            Self::Traces(path, TracesError { position, message }) => {
                let (line, column) = position.unzip();
                vec![json!({ "file": path, "line": line, "column": column, "message": message })]
            }
        }
    }
}

/// The longest text of redacted traces: JSON is up to four times as long as protobuf.
const MAX_JSON: usize = 1 << 30;
