//! The newest traces of a process, as bars on a common line of time.

use super::fields::{MAX_NAME, text};
use serde_json::Value;
use std::time::Duration;

/// A trace: the ended spans of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) duration: Duration,
    /// In the order of a tree: a span stands before its children.
    pub(super) spans: Vec<Bar>,
}

/// A span of a trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) is_error: bool,
    /// Spans between it and the root.
    pub(super) depth: usize,
    /// The time after the start of the trace.
    pub(super) start: Duration,
    pub(super) duration: Duration,
}

/// The traces of recent spans, whose newest is the last one; the newest trace first.
pub(super) fn read(spans: &Value) -> Vec<Trace> {
    let mut traces: Vec<(&Value, Vec<&Value>)> = Vec::new();
    let spans = spans.as_array().into_iter().flatten();
    for span in spans.rev().take(MAX_RECENT) {
        let id = &span["trace_id"];
        if let Some((_, spans)) = traces.iter_mut().find(|(other, _)| *other == id) {
            if spans.len() < MAX_SPANS {
                spans.push(span);
            }
        } else if traces.len() < MAX_TRACES {
            traces.push((id, vec![span]));
        }
    }
    traces.into_iter().map(|(id, spans)| Trace::read(id, spans)).collect()
}

impl Trace {
    fn read(id: &Value, mut spans: Vec<&Value>) -> Self {
        spans.sort_by_key(|span| start(span));
        let first = spans.first().map_or(Duration::ZERO, |span| start(span));
        let bar = |(index, depth): (usize, usize)| Some(Bar::read(spans.get(index)?, depth, first));
        let bars: Vec<Bar> = ordered(&spans).into_iter().filter_map(bar).collect();
        let end = bars.iter().map(|bar| bar.start.saturating_add(bar.duration)).max();
        Self { id: text(id, MAX_ID), duration: end.unwrap_or_default(), spans: bars }
    }
}

impl Bar {
    fn read(span: &Value, depth: usize, first: Duration) -> Self {
        Self {
            name: text(&span["name"], MAX_NAME),
            is_error: span["status"] == "error",
            depth,
            start: start(span).saturating_sub(first),
            duration: micros(&span["duration_micros"]),
        }
    }
}

/// The time between 1970 and the start of a span.
fn start(span: &Value) -> Duration {
    micros(&span["start_unix_micros"])
}

fn micros(value: &Value) -> Duration {
    let seconds = value.as_f64().unwrap_or_default() / 1e6;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The indices of the spans with their depths: each root, and after each span its children. A span whose parent is not there is a root;
/// one in a circle of parents is left out.
fn ordered(spans: &[&Value]) -> Vec<(usize, usize)> {
    let has_id = |id: &Value| !id.is_null() && spans.iter().any(|span| span["span_id"] == *id);
    let indices = |is: &dyn Fn(&Value) -> bool| -> Vec<usize> {
        let matching = spans.iter().enumerate().filter(|(_, span)| is(&span["parent_span_id"]));
        matching.map(|(index, _)| index).rev().collect()
    };
    let roots = indices(&|parent| !has_id(parent));
    let mut waiting: Vec<(usize, usize)> = roots.into_iter().map(|root| (root, 0)).collect();
    let mut ordered = Vec::new();
    // A span id that occurs twice would list its children twice, and again below each other.
    while let Some((index, depth)) = waiting.pop().filter(|_| ordered.len() < spans.len()) {
        ordered.push((index, depth));
        let Some(id) = spans.get(index).map(|span| &span["span_id"]) else { continue };
        waiting.extend(
            indices(&|parent| parent == id && has_id(parent))
                .into_iter()
                .map(|child| (child, depth + 1)),
        );
    }
    ordered
}

/// Spans of an answer that are looked at.
const MAX_RECENT: usize = 1024;
const MAX_TRACES: usize = 32;
const MAX_SPANS: usize = 64;
/// Letters of a trace id.
const MAX_ID: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn span(id: &str, parent: &str, start: u64) -> Value {
        let start = 1_796_000_000_000_000 + start * 1000;
        json!({
            "trace_id": "7", "name": id, "span_id": id, "parent_span_id": parent, "status": "unset",
            "start_unix_micros": start, "duration_micros": 1000.5,
        })
    }

    fn names(spans: Vec<Value>) -> Vec<String> {
        let traces = read(&Value::Array(spans));
        let spans = traces.into_iter().flat_map(|trace| trace.spans);
        spans.map(|bar| format!("{}{}", " ".repeat(bar.depth), bar.name)).collect()
    }

    #[test]
    fn children_stand_below_their_parent() {
        let spans = vec![span("c", "b", 2), span("b", "a", 1), span("d", "a", 3), span("a", "", 0)];
        assert_eq!(names(spans), ["a", " b", "  c", " d"]);
        assert_eq!(names(vec![span("b", "remote", 0)]), ["b"]);
    }

    #[test]
    fn circles_and_ids_that_occur_twice_end() {
        assert_eq!(names(vec![span("a", "b", 0), span("b", "a", 0)]), Vec::<String>::new());
        assert_eq!(names(vec![span("a", "a", 0)]), Vec::<String>::new());
        let twice: Vec<Value> =
            (0..64).map(|index| span("a", if index == 0 { "" } else { "a" }, 0)).collect();
        assert!(names(twice).len() <= MAX_SPANS);
    }

    #[test]
    fn the_newest_trace_is_the_first_and_lasts_until_its_last_span_ends() {
        let mut newer = span("b", "", 9);
        newer["trace_id"] = json!("8\u{1b}");
        let traces = read(&json!([span("a", "", 0), newer, span("c", "a", 5)]));
        let shown: Vec<_> =
            traces.iter().map(|it| (it.id.as_str(), it.duration.as_micros())).collect();
        assert_eq!(shown, [("7", 6000), ("8", 1000)]);
    }

    #[test]
    fn an_answer_with_too_much_is_cut() {
        let spans = |count: usize, id: &dyn Fn(usize) -> String| -> Vec<Trace> {
            let one = |index| json!({ "trace_id": id(index), "span_id": index });
            read(&(0..count).map(one).collect())
        };
        assert_eq!(spans(5000, &|index| index.to_string()).len(), MAX_TRACES);
        let one = spans(5000, &|_| "a".to_owned());
        assert_eq!((one.len(), one[0].spans.len()), (1, MAX_SPANS));
        assert_eq!(read(&json!({ "spans": 1 })), []);
    }
}
