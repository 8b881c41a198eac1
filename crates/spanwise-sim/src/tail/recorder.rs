//! The output of the sampler under test: records what it is passed, and panics now and then.

use crate::otlp::fields;
use crate::random::Random;
use spanwise_tail::{DecidedTrace, Decision, DecisionCause, SampledRequest, TailOutput};
use std::collections::VecDeque;
use std::panic::resume_unwind;

/// Records requests and decisions of one call.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) decisions: VecDeque<Recorded>,
    pub(crate) requests: Vec<(Vec<u8>, u64)>,
    /// One call in this many panics.
    panics: Option<u64>,
    random: Random,
}

/// A decision as it was passed to the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) trace: [u8; 16],
    pub(crate) decision: Decision,
    pub(crate) policy: Option<String>,
    pub(crate) cause: DecisionCause,
    pub(crate) spans: u64,
}

/// A span as it left: its resource, scope and their URLs, and its bytes.
pub(crate) type LeftSpan = (Vec<u8>, Vec<u8>);

/// The payload of the output's own panics.
pub(crate) struct OutputPanic;

impl Recorder {
    pub(crate) fn new(seed: u64, panics: Option<u64>) -> Self {
        let random = Random::new(seed, "tail output");
        Self { decisions: VecDeque::new(), requests: Vec::new(), panics, random }
    }

    /// From now on, no call panics.
    pub(crate) fn calm(&mut self) {
        self.panics = None;
    }

    fn maybe_panic(&mut self) {
        if self.panics.is_some_and(|one_in| self.random.one_in(one_in)) {
            resume_unwind(Box::new(OutputPanic));
        }
    }
}

impl TailOutput for Recorder {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.requests.push((request.bytes.to_vec(), request.spans));
        self.maybe_panic();
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.decisions.push_back(Recorded {
            trace: trace.trace_id.0.to_be_bytes(),
            decision: trace.decision,
            policy: trace.policy.map(str::to_owned),
            cause: trace.cause,
            spans: trace.spans,
        });
        self.maybe_panic();
    }
}

/// The spans of a request, with their groups.
///
/// # Errors
/// A sentence, if the bytes are no request.
pub(crate) fn spans_of(request: &[u8]) -> Result<Vec<LeftSpan>, String> {
    let mut spans = Vec::new();
    for (_, resource_spans) in fields(request)? {
        let resource_spans = fields(resource_spans)?;
        for (_, scope_spans) in resource_spans.iter().filter(|(number, _)| *number == 2) {
            let scope_spans = fields(scope_spans)?;
            let group = [group_part(&resource_spans), group_part(&scope_spans)].concat();
            let of_scope = scope_spans.iter().filter(|(number, _)| *number == 2);
            spans.extend(of_scope.map(|(_, span)| (group.clone(), span.to_vec())));
        }
    }
    Ok(spans)
}

/// A span without its `trace_state`, and the threshold that this has.
///
/// # Errors
/// A sentence, if the world writes no such trace state.
pub(crate) fn split_threshold(span: &[u8]) -> Result<(Vec<u8>, Option<u64>), String> {
    let mut rest = span;
    let mut without = Vec::new();
    let mut threshold = None;
    while let Some(key) = rest.first() {
        let len = match (*key & 7, rest.get(1..)) {
            (1, _) => 9,
            // Of the fields that the samplers forward, only those with a length are long.
            (2, Some(behind)) => {
                let bytes = behind.iter().take_while(|byte| **byte >= 0x80).count() + 1;
                let number = behind.iter().take(bytes).rev();
                let len = number.fold(0, |sum, byte| sum << 7 | usize::from(*byte & 0x7f));
                1 + bytes + len
            }
            _ => return Err(format!("no field of the world: {key}")),
        };
        let field = rest.get(..len).ok_or("a field ends within its span")?;
        match (*key, field) {
            (0x1a, [_, _, b'o', b't', b'=', b't', b'h', b':', digits @ ..]) => {
                let digits = std::str::from_utf8(digits).map_err(|error| error.to_string())?;
                let value = u64::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
                threshold = Some(value << (4 * (14 - digits.len().min(14))));
            }
            (0x1a, _) => return Err("a trace state of another form".to_owned()),
            _ => without.extend_from_slice(field),
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok((without, threshold))
}

/// The message and the URL of a resource or a scope.
fn group_part(parts: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [1, 3] {
        let value = parts.iter().find(|(found, _)| *found == number);
        let value = value.map(|(_, value)| *value).unwrap_or_default();
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}
