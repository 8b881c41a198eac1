//! Exported spans as text, without what differs from one run to the next.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use std::collections::HashSet;

/// For the table: without files, lines and modules of this test.
pub fn short(spans: &[Span]) -> String {
    Text { spans, is_short: true }.all()
}

/// All that both layers must agree on.
pub fn full(spans: &[Span]) -> String {
    Text { spans, is_short: false }.all()
}

struct Text<'a> {
    spans: &'a [Span],
    is_short: bool,
}

impl Text<'_> {
    fn all(&self) -> String {
        assert_roots(self.spans);
        match self.spans {
            [] => "no span".to_owned(),
            spans => spans.iter().map(|span| self.span(span)).collect::<Vec<_>>().join("\n"),
        }
    }

    fn span(&self, span: &Span) -> String {
        assert_times(span);
        let mut parts = vec![format!("{}:{}", span.name, self.parent(span))];
        match span.kind() {
            SpanKind::Internal => {}
            kind => parts.push(kind.as_str_name().trim_start_matches("SPAN_KIND_").to_lowercase()),
        }
        parts.extend(self.attributes(&span.attributes, false));
        if let Some(status) = span.status.as_ref().filter(|it| it.code() != StatusCode::Unset) {
            let code = status.code().as_str_name().trim_start_matches("STATUS_CODE_");
            parts.push(match &*status.message {
                "" => code.to_owned(),
                message => format!("{code} {}", quoted(message)),
            });
        }
        parts.extend(span.events.iter().map(|event| self.event(event)));
        parts.extend(span.links.iter().map(|link| self.link(link)));
        let dropped = [
            (span.dropped_attributes_count, "attributes"),
            (span.dropped_events_count, "events"),
            (span.dropped_links_count, "links"),
        ];
        for (count, what) in dropped {
            if count != 0 {
                parts.push(format!("{count} {what} dropped"));
            }
        }
        if !span.trace_state.is_empty() {
            parts.push(format!("state {}", span.trace_state));
        }
        parts.retain(|part| !part.is_empty());
        let text = parts.join("; ");
        text.replacen(":; ", ": ", 1)
    }

    fn parent(&self, span: &Span) -> String {
        if span.parent_span_id.is_empty() {
            return String::new();
        }
        let parent = self.spans.iter().find(|it| it.span_id == span.parent_span_id);
        if let Some(parent) = parent {
            assert_eq!(parent.trace_id, span.trace_id, "a trace is torn: {span:?}");
        }
        let is_remote = if span.flags & 0x300 == 0x300 { "remote " } else { "" };
        format!(" below {is_remote}{}", self.name(&span.parent_span_id))
    }

    /// The name of an exported span, or the number of another process'.
    fn name(&self, span_id: &[u8]) -> String {
        match self.spans.iter().find(|it| it.span_id == span_id) {
            Some(span) => span.name.clone(),
            None => match u64::from_be_bytes(span_id.try_into().unwrap()) {
                number @ 1..1000 => number.to_string(),
                _ => "unknown".to_owned(),
            },
        }
    }

    fn event(&self, event: &Event) -> String {
        let attributes = self.attributes(&event.attributes, true).join(", ");
        let dropped = match event.dropped_attributes_count {
            0 => String::new(),
            count => format!(", {count} dropped"),
        };
        format!("event {} {{{attributes}{dropped}}}", quoted(&event.name)).replace(" {}", "")
    }

    fn link(&self, link: &Link) -> String {
        let attributes = self.attributes(&link.attributes, false).join(", ");
        let dropped = match link.dropped_attributes_count {
            0 => String::new(),
            count => format!(", {count} dropped"),
        };
        let text = format!("link to {} {{{attributes}{dropped}}}", self.name(&link.span_id));
        text.replace(" {}", "")
    }

    fn attributes(&self, attributes: &[KeyValue], is_event: bool) -> Vec<String> {
        attributes.iter().filter_map(|it| self.attribute(it, is_event)).collect()
    }

    fn attribute(&self, attribute: &KeyValue, is_event: bool) -> Option<String> {
        let key = &*attribute.key;
        let found = value(attribute.value.as_ref());
        let is_ours = found.contains("compatibility");
        let text = match key {
            "busy_ns" | "idle_ns" | "thread.id" => {
                found.parse::<i64>().map(|_| "N".into()).unwrap()
            }
            "level" if is_event && self.is_short && LEVELS.contains(&&*found) => {
                return Some(found.trim_matches('"').to_owned());
            }
            "target" if is_event && is_ours && self.is_short => return None,
            "target" if is_ours && self.is_short => "MODULE".to_owned(),
            "code.file.path" if is_ours && self.is_short => "FILE".to_owned(),
            "code.module.name" if is_ours && self.is_short => "MODULE".to_owned(),
            "code.line.number" if self.is_short => "LINE".to_owned(),
            "thread.name" if self.is_short => "NAME".to_owned(),
            _ => found,
        };
        Some(format!("{key}={text}"))
    }
}

/// A span does not end before it starts, and its events are not earlier.
fn assert_times(span: &Span) {
    let start = span.start_time_unix_nano;
    let is_old = |event: &Event| event.time_unix_nano < start && !event.attributes.is_empty();
    assert!(start <= span.end_time_unix_nano, "{span:?}");
    assert!(!span.events.iter().any(is_old), "{span:?}");
}

/// Each root has a trace of its own.
fn assert_roots(spans: &[Span]) {
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    let traces: Vec<_> = roots.map(|span| &span.trace_id).collect();
    let unique: HashSet<_> = traces.iter().collect();
    assert_eq!(unique.len(), traces.len(), "{spans:?}");
}

/// A value, whose type the form shows.
pub fn value(value: Option<&AnyValue>) -> String {
    match value.and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => quoted(text),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => format!("{value:?}"),
        Some(Value::ArrayValue(array)) => {
            let items: Vec<_> = array.values.iter().map(|it| self::value(Some(it))).collect();
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn quoted(text: &str) -> String {
    match text.chars().count() {
        0..=80 => format!("\"{text}\""),
        count => format!("\"{count} characters\""),
    }
}

const LEVELS: [&str; 5] = ["\"TRACE\"", "\"DEBUG\"", "\"INFO\"", "\"WARN\"", "\"ERROR\""];
