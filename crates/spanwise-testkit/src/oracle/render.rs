//! A request as lines of text, one field per line.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// Every field of `request`. Two requests differ in bytes only where they differ here.
pub(crate) fn lines(request: &ExportTraceServiceRequest) -> Vec<String> {
    let mut out = Lines { lines: Vec::new(), depth: 0 };
    for group in &request.resource_spans {
        out.resource(group);
    }
    out.lines
}

struct Lines {
    lines: Vec<String>,
    depth: usize,
}

impl Lines {
    fn add(&mut self, line: String) {
        self.lines.push(format!("{:width$}{line}", "", width = 2 * self.depth));
    }

    fn under(&mut self, line: String, inner: impl FnOnce(&mut Self)) {
        self.add(line);
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    fn resource(&mut self, group: &ResourceSpans) {
        self.under("resource".into(), |out| {
            if let Some(resource) = &group.resource {
                out.attributes(&resource.attributes, resource.dropped_attributes_count);
                resource.entity_refs.iter().for_each(|entity| out.add(format!("{entity:?}")));
            }
            out.text("schema_url", &group.schema_url);
            group.scope_spans.iter().for_each(|scope| out.scope(scope));
        });
    }

    fn scope(&mut self, group: &ScopeSpans) {
        let name = group.scope.as_ref().map(|scope| &scope.name);
        self.under(format!("scope {name:?}"), |out| {
            if let Some(scope) = &group.scope {
                out.text("version", &scope.version);
                out.attributes(&scope.attributes, scope.dropped_attributes_count);
            }
            out.text("schema_url", &group.schema_url);
            group.spans.iter().for_each(|span| out.span(span));
        });
    }

    fn span(&mut self, span: &Span) {
        self.under(format!("span {:?}", span.name), |out| {
            out.add(format!("trace {} span {}", hex(&span.trace_id), hex(&span.span_id)));
            out.add(format!("parent {} flags {:#x}", hex(&span.parent_span_id), span.flags));
            out.text("trace_state", &span.trace_state);
            out.add(format!("kind {:?}", span.kind()));
            out.add(format!("from {} to {}", span.start_time_unix_nano, span.end_time_unix_nano));
            out.attributes(&span.attributes, span.dropped_attributes_count);
            span.events.iter().for_each(|event| out.event(event));
            out.dropped("events", span.dropped_events_count);
            span.links.iter().for_each(|link| out.link(link));
            out.dropped("links", span.dropped_links_count);
            if let Some(status) = &span.status {
                out.add(format!("status {:?} {:?}", status.code(), status.message));
            }
        });
    }

    fn event(&mut self, event: &Event) {
        self.under(format!("event {:?} at {}", event.name, event.time_unix_nano), |out| {
            out.attributes(&event.attributes, event.dropped_attributes_count);
        });
    }

    fn link(&mut self, link: &Link) {
        let (trace, span) = (hex(&link.trace_id), hex(&link.span_id));
        self.under(format!("link trace {trace} span {span} flags {:#x}", link.flags), |out| {
            out.text("trace_state", &link.trace_state);
            out.attributes(&link.attributes, link.dropped_attributes_count);
        });
    }

    fn attributes(&mut self, attributes: &[KeyValue], dropped: u32) {
        attributes.iter().for_each(|pair| self.add(attribute(pair)));
        self.dropped("attributes", dropped);
    }

    fn text(&mut self, what: &str, text: &str) {
        if !text.is_empty() {
            self.add(format!("{what} {text:?}"));
        }
    }

    fn dropped(&mut self, what: &str, count: u32) {
        if count > 0 {
            self.add(format!("dropped {what} {count}"));
        }
    }
}

fn attribute(pair: &KeyValue) -> String {
    let KeyValue { key, value, key_strindex } = pair;
    match key_strindex {
        0 => format!("{key:?} = {}", value_of(value.as_ref())),
        index => format!("{key:?} (string {index}) = {}", value_of(value.as_ref())),
    }
}

fn value_of(value: Option<&AnyValue>) -> String {
    let list = |open, items: Vec<String>, close| format!("{open}{}{close}", items.join(", "));
    match value.map(|value| value.value.as_ref()) {
        None => "nothing".into(),
        Some(None) => "empty".into(),
        Some(Some(value)) => match value {
            Value::StringValue(text) => format!("{text:?}"),
            Value::BoolValue(truth) => truth.to_string(),
            Value::IntValue(number) => number.to_string(),
            // Bits, because the decimal form does not distinguish two NaNs.
            Value::DoubleValue(number) if number.is_nan() => {
                format!("NaN({:#x})", number.to_bits())
            }
            Value::DoubleValue(number) => format!("{number:?}"),
            Value::BytesValue(bytes) => format!("0x{}", hex(bytes)),
            Value::ArrayValue(ArrayValue { values }) => {
                list('[', values.iter().map(|value| value_of(Some(value))).collect(), ']')
            }
            Value::KvlistValue(KeyValueList { values }) => {
                list('{', values.iter().map(attribute).collect(), '}')
            }
            Value::StringValueStrindex(index) => format!("string {index}"),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    match bytes {
        [] => "none".into(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
