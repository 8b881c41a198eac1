//! The search for the span and the value behind a vote.

use std::fmt::Write as _;
use std::time::Duration;

use spanwise_sampling::trace_state::member;
use spanwise_wire::read::{SpanView, ValueView};
use spanwise_wire::{SpanId, StatusCode};

use super::explanation::{Evidence, EvidenceSpan};
use crate::ottl::OttlConditionPolicy;
use crate::policy::{
    Evaluate, LatencyPolicy, Parent, Policy, PolicyDecision, PolicyKind, PolicyOptions,
    SpanCountPolicy, build,
};
use crate::trace_view::{Summary, TraceSpans, TraceView};

/// Finds the value that the votes of one policy depend on.
pub(crate) struct Finder {
    subject: String,
    wanted: String,
    search: Search,
}

enum Search {
    Duration,
    SpanCount,
    Bytes,
    /// The policy's own number for the trace.
    Number(Box<dyn Evaluate>),
    /// The first span that the policy samples alone, without its inversion.
    Span(Box<dyn Evaluate>, Reader),
    /// The first span for which a condition holds; the policies have one condition each.
    Condition(Vec<(String, Box<dyn Evaluate>)>),
}

/// The way to the value in a span.
enum Reader {
    Attribute(String),
    TraceState(String),
    Status,
    Flags,
}

/// A trace that is explained.
#[derive(Clone, Copy)]
pub(crate) struct ExplainedTrace<'a> {
    pub(crate) trace_id: [u8; 16],
    pub(crate) summary: Summary,
    pub(crate) source: &'a dyn TraceSpans<'a>,
}

/// One span as a trace.
struct OneSpan<'a>(SpanView<'a>);

impl<'a> TraceSpans<'a> for OneSpan<'a> {
    fn len(&self) -> usize {
        1
    }

    fn span(&self, index: usize) -> Option<SpanView<'a>> {
        (index == 0).then_some(self.0)
    }
}

impl Finder {
    /// The finder for a policy; `None` for one without a value of its own.
    pub(crate) fn new(kind: &PolicyKind, options: PolicyOptions<'_>) -> Option<Self> {
        let evaluator = |kind: PolicyKind| {
            // The same settings were accepted when the sampler was built.
            build(&Policy::new("policy", kind), Parent::None, options).ok()
        };
        let (subject, wanted, search) = match kind {
            PolicyKind::Latency(policy) => {
                ("duration".to_owned(), latency(*policy, options), Search::Duration)
            }
            PolicyKind::SpanCount(policy) => {
                ("number of spans".to_owned(), span_count(*policy), Search::SpanCount)
            }
            PolicyKind::RateLimiting(policy) => {
                let wanted = limits(policy.spans_per_second, policy.burst_capacity);
                ("number of spans".to_owned(), wanted, Search::SpanCount)
            }
            PolicyKind::BytesLimiting(policy) => {
                let wanted = limits(policy.bytes_per_second, policy.burst_capacity);
                ("encoded size".to_owned(), wanted, Search::Bytes)
            }
            PolicyKind::Probabilistic(policy) => (
                "place of the trace id".to_owned(),
                format!("at most {} %", policy.sampling_percentage.clamp(0.0, 100.0)),
                Search::Number(evaluator(kind.clone())?),
            ),
            PolicyKind::StatusCode(codes) => (
                "status".to_owned(),
                list(codes.iter().map(|code| code_name(*code).to_owned())),
                Search::Span(evaluator(kind.clone())?, Reader::Status),
            ),
            PolicyKind::TraceFlags => (
                "the flag `sampled`".to_owned(),
                "1".to_owned(),
                Search::Span(evaluator(kind.clone())?, Reader::Flags),
            ),
            PolicyKind::TraceState(policy) => (
                format!("trace state member {}", quoted(&policy.key)),
                list(policy.values.iter().map(|value| quoted(value))),
                Search::Span(evaluator(kind.clone())?, Reader::TraceState(policy.key.clone())),
            ),
            PolicyKind::StringAttribute(policy) => {
                let mut values = list(policy.values.iter().map(|value| quoted(value)));
                if policy.enabled_regex_matching {
                    values.insert_str(0, "a match of ");
                }
                let mut upright = policy.clone();
                upright.invert_match = false;
                attribute(&policy.key, values, policy.invert_match, evaluator(upright.into())?)
            }
            PolicyKind::NumericAttribute(policy) => {
                let range = match (policy.min_value, policy.max_value) {
                    (min, 0) => format!("at least {min}"),
                    (0, max) => format!("at most {max}"),
                    (min, max) => format!("{min} to {max}"),
                };
                let mut upright = policy.clone();
                upright.invert_match = false;
                attribute(&policy.key, range, policy.invert_match, evaluator(upright.into())?)
            }
            PolicyKind::BooleanAttribute(policy) => {
                let mut upright = policy.clone();
                upright.invert_match = false;
                let value = policy.value.to_string();
                attribute(&policy.key, value, policy.invert_match, evaluator(upright.into())?)
            }
            PolicyKind::OttlCondition(policy) => {
                let one = |text: &String, is_event: bool| {
                    let none: [&str; 0] = [];
                    let condition = match is_event {
                        true => OttlConditionPolicy::span(none).or_span_event([text.as_str()]),
                        false => OttlConditionPolicy::span([text.as_str()]),
                    };
                    Some((quoted(text), evaluator(condition.into())?))
                };
                let spans = policy.span.iter().map(|text| one(text, false));
                let conditions: Option<Vec<_>> =
                    spans.chain(policy.spanevent.iter().map(|text| one(text, true))).collect();
                let conditions = conditions?;
                let wanted = list(conditions.iter().map(|(text, _)| text.clone()));
                ("a condition that holds".to_owned(), wanted, Search::Condition(conditions))
            }
            PolicyKind::AlwaysSample
            | PolicyKind::And(_)
            | PolicyKind::Not(_)
            | PolicyKind::Drop(_)
            | PolicyKind::Composite(_) => return None,
        };
        Some(Self { subject, wanted, search })
    }

    /// The value in `trace`. Reads at most 10,000 spans.
    pub(crate) fn find<'a>(&mut self, trace: ExplainedTrace<'a>, keys: &'a [Box<str>]) -> Evidence {
        let mut subject = self.subject.clone();
        let (value, span) = match &mut self.search {
            Search::Duration => duration(trace),
            Search::SpanCount => (Some(trace.summary.spans().to_string()), None),
            Search::Bytes => (Some(format!("{} bytes", trace.summary.bytes())), None),
            Search::Number(policy) => {
                let ExplainedTrace { trace_id, summary, source } = trace;
                (policy.number(&TraceView::new(trace_id, summary, source, keys)), None)
            }
            Search::Span(policy, reader) => {
                let matching = spans(trace).find(|span| samples(policy.as_mut(), *span, keys));
                let found = match matching {
                    Some(span) => {
                        // Without the resource: the value is the span's own if that alone matches, too.
                        let own = SpanView::of(span.bytes(), &[], &[]).ok();
                        let is_own = own.is_some_and(|own| samples(policy.as_mut(), own, keys));
                        reader.value(span, !is_own).map(|value| (value, span, !is_own))
                    }
                    None => spans(trace).find_map(|span| {
                        let own = reader.value(span, false).map(|value| (value, span, false));
                        own.or_else(|| reader.value(span, true).map(|value| (value, span, true)))
                    }),
                };
                match found {
                    None => (None, None),
                    Some((value, span, is_of_resource)) => {
                        if is_of_resource && matches!(reader, Reader::Attribute(_)) {
                            subject.insert_str(0, "resource ");
                        }
                        (Some(value), Some(evidence_span(span)))
                    }
                }
            }
            Search::Condition(conditions) => {
                let found = spans(trace).find_map(|span| {
                    conditions.iter_mut().find_map(|(text, policy)| {
                        let holds = samples(policy.as_mut(), span, keys);
                        holds.then(|| (text.clone(), evidence_span(span)))
                    })
                });
                found.map_or((None, None), |(text, span)| (Some(text), Some(span)))
            }
        };
        Evidence { subject, value, wanted: self.wanted.clone(), span }
    }
}

impl Reader {
    /// The value in a span or, with `of_resource`, in its resource.
    fn value(&self, span: SpanView<'_>, of_resource: bool) -> Option<String> {
        match self {
            Self::Attribute(key) if of_resource => span.resource_attribute(key).map(shown),
            Self::Attribute(key) => span.attribute(key).map(shown),
            Self::TraceState(key) => {
                span.trace_state().ok().and_then(|header| member(header, key)).map(quoted)
            }
            Self::Status => Some(status(span.status_code()).to_owned()),
            Self::Flags => Some((span.flags() & 1).to_string()),
        }
    }
}

/// Whether the policy samples the span as a trace of its own.
fn samples(policy: &mut dyn Evaluate, span: SpanView<'_>, keys: &[Box<str>]) -> bool {
    let mut summary = Summary::EMPTY;
    summary.add(&span, 0);
    let one = OneSpan(span);
    let trace = TraceView::new([0; 16], summary, &one, keys);
    matches!(policy.evaluate(&trace, Duration::ZERO), Ok(PolicyDecision::Sampled))
}

fn spans<'a>(trace: ExplainedTrace<'a>) -> impl Iterator<Item = SpanView<'a>> {
    (0..trace.source.len().min(MAX_SPANS)).filter_map(move |index| trace.source.span(index))
}

/// The duration of the trace, and the span that ends last.
fn duration(trace: ExplainedTrace<'_>) -> (Option<String>, Option<EvidenceSpan>) {
    let last = spans(trace).max_by_key(SpanView::end_unix_nanos).map(evidence_span);
    let Some((start, end)) = trace.summary.times() else {
        return (Some("of spans with unusual times".to_owned()), last);
    };
    (Some(format!("{} ms", end.saturating_sub(start) / 1_000_000)), last)
}

fn evidence_span(span: SpanView<'_>) -> EvidenceSpan {
    EvidenceSpan {
        span_id: span.span_id().map_or(SpanId::INVALID, SpanId::from_bytes),
        name: shortened(span.name().unwrap_or_default()),
    }
}

fn attribute(
    key: &str,
    values: String,
    is_inverted: bool,
    policy: Box<dyn Evaluate>,
) -> (String, String, Search) {
    let wanted = if is_inverted { format!("no span with {values}") } else { values };
    (
        format!("attribute {}", quoted(key)),
        wanted,
        Search::Span(policy, Reader::Attribute(key.to_owned())),
    )
}

fn latency(policy: LatencyPolicy, options: PolicyOptions<'_>) -> String {
    let LatencyPolicy { threshold_ms, upper_threshold_ms } = policy;
    match upper_threshold_ms {
        0 if options.compat.has_inclusive_latency() => format!("at least {threshold_ms} ms"),
        0 => format!("more than {threshold_ms} ms"),
        upper => format!("more than {threshold_ms} ms and at most {upper} ms"),
    }
}

fn span_count(policy: SpanCountPolicy) -> String {
    match (policy.min_spans, policy.max_spans) {
        (min, 0) => format!("at least {min}"),
        (min, max) => format!("{min} to {max}"),
    }
}

fn limits(per_second: i64, burst: i64) -> String {
    let burst = if burst > 0 { burst } else { per_second.saturating_mul(2) };
    format!("at most {per_second} per second and {burst} at once, of all traces")
}

fn code_name(code: StatusCode) -> &'static str {
    match code {
        StatusCode::Unset => "UNSET",
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    }
}

fn status(code: i32) -> &'static str {
    match code {
        0 => "UNSET",
        1 => "OK",
        2 => "ERROR",
        _ => "unknown",
    }
}

/// The values with "or" before the last one.
fn list(values: impl Iterator<Item = String>) -> String {
    let mut values = values.peekable();
    let mut text = String::new();
    while let Some(value) = values.next() {
        if !text.is_empty() {
            text.push_str(if values.peek().is_some() { ", " } else { " or " });
        }
        if text.len() + value.len() > MAX_LIST {
            text.push_str("others");
            return text;
        }
        text.push_str(&value);
    }
    if text.is_empty() { "nothing".to_owned() } else { text }
}

/// A value of an attribute, quoted if it is a string.
fn shown(value: ValueView<'_>) -> String {
    match value {
        ValueView::Str(text) => quoted(text),
        ValueView::Bool(value) => value.to_string(),
        ValueView::I64(number) => number.to_string(),
        ValueView::F64(number) => number.to_string(),
        ValueView::Bytes(bytes) => {
            let mut text = "0x".to_owned();
            for byte in bytes.iter().take(MAX_TEXT / 4) {
                let _infallible = write!(text, "{byte:02x}");
            }
            if bytes.len() > MAX_TEXT / 4 { text + "…" } else { text }
        }
        ValueView::Array(_) => "a list".to_owned(),
        ValueView::KvList(_) => "a map".to_owned(),
        _ => "empty".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// At most [`MAX_TEXT`] bytes of a text, and an ellipsis in place of the rest.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let fits = |(at, letter): &(usize, char)| at + letter.len_utf8() <= MAX_TEXT;
    let mut short: String =
        text.char_indices().take_while(fits).map(|(_, letter)| letter).collect();
    short.push('…');
    short
}

/// Bytes of a name or value.
const MAX_TEXT: usize = 120;
/// Bytes of a list of wanted values.
const MAX_LIST: usize = 400;
/// Spans of a trace that are read for one policy.
const MAX_SPANS: usize = 10_000;
