//! Steps on a span, performed by the writer and by a model on prost's types.

use crate::support::{Collection, Owned, cut};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use spanwise_wire::write::{DroppedCounts, SpanHeader, SpanWriter};
use spanwise_wire::{LinkedContext, SpanId, SpanLimits, StatusCode, TraceFlags, TraceId};

#[derive(Debug, Clone)]
pub enum Step {
    Attribute(String, Owned),
    Event(u64, String, Vec<(String, Owned)>),
    Link(LinkSpec, Vec<(String, Owned)>),
    Status(StatusCode, String),
    Rename(String),
}

#[derive(Debug, Clone)]
pub struct LinkSpec {
    pub trace_id: u128,
    pub span_id: u64,
    pub trace_flags: u8,
    pub is_remote: bool,
    pub trace_state: String,
}

/// The span after its steps, as the specification defines it.
#[derive(Debug, Default)]
pub struct Model {
    pub span: Span,
    pub attributes: Collection,
    pub dropped_inside: u32,
    pub cut: u32,
    pub status: Option<StatusCode>,
}

impl Model {
    pub fn begin(name: &str, trace_state: &str) -> Self {
        let mut model = Self::default();
        model.rename(name);
        model.span.trace_state = trace_state.into();
        model
    }

    pub fn apply(&mut self, limits: &SpanLimits, step: &Step) {
        let chars = limits.value_chars;
        match step {
            Step::Attribute(key, value) => {
                self.attributes.put(limits.attributes, chars, key, value);
            }
            Step::Event(..) if self.span.events.len() >= limits.events as usize => {
                self.span.dropped_events_count += 1;
            }
            Step::Event(time, name, attributes) => {
                let inside = Collection::of(limits.attributes_per_event, chars, attributes);
                let name = self.name(name);
                self.inside(&inside);
                self.span.events.push(Event {
                    time_unix_nano: *time,
                    name,
                    attributes: inside.attributes,
                    dropped_attributes_count: inside.dropped,
                });
            }
            Step::Link(..) if self.span.links.len() >= limits.links as usize => {
                self.span.dropped_links_count += 1;
            }
            Step::Link(link, attributes) => {
                let inside = Collection::of(limits.attributes_per_link, chars, attributes);
                self.inside(&inside);
                self.span.links.push(Link {
                    trace_id: link.trace_id.to_be_bytes().into(),
                    span_id: link.span_id.to_be_bytes().into(),
                    trace_state: link.trace_state.clone(),
                    attributes: inside.attributes,
                    dropped_attributes_count: inside.dropped,
                    flags: u32::from(link.trace_flags) | if link.is_remote { 0x300 } else { 0x100 },
                });
            }
            Step::Status(code, message) => self.status(limits, *code, message),
            Step::Rename(name) => self.rename(name),
        }
    }

    pub fn status(&mut self, limits: &SpanLimits, code: StatusCode, message: &str) {
        let message = match (self.status, code) {
            (_, StatusCode::Unset) | (Some(StatusCode::Ok), _) => return,
            (_, StatusCode::Ok) => String::new(),
            (_, StatusCode::Error) => {
                let most = limits.span_bytes.min(16_384);
                self.cut += u32::from(message.chars().count() > most);
                cut(message, most)
            }
        };
        self.status = Some(code);
        self.span.status = Some(Status { code: code as i32, message });
    }

    pub fn rename(&mut self, name: &str) {
        self.span.name = self.name(name);
    }

    pub fn name(&mut self, name: &str) -> String {
        self.cut += u32::from(name.chars().count() > 4096);
        cut(name, 4096)
    }

    pub fn inside(&mut self, collection: &Collection) {
        self.dropped_inside += collection.dropped;
        self.cut += collection.cut;
    }

    pub fn finish(self, header: &SpanHeader) -> Span {
        let Model { mut span, attributes, .. } = self;
        span.attributes = attributes.attributes;
        span.dropped_attributes_count = attributes.dropped;
        span.trace_id = header.trace_id.0.to_be_bytes().into();
        span.span_id = header.span_id.0.to_be_bytes().into();
        if header.parent_span_id.0 != 0 {
            span.parent_span_id = header.parent_span_id.0.to_be_bytes().into();
        }
        span.kind = header.kind as i32;
        span.start_time_unix_nano = header.start_unix_nanos;
        span.end_time_unix_nano = header.end_unix_nanos;
        span.flags = header.flags.0;
        span
    }

    pub fn dropped_counts(&self) -> DroppedCounts {
        DroppedCounts {
            attributes: self.attributes.dropped + self.dropped_inside,
            events: self.span.dropped_events_count,
            links: self.span.dropped_links_count,
            truncated_values: self.attributes.cut + self.cut,
        }
    }
}

pub fn perform(writer: &mut SpanWriter, limits: &SpanLimits, step: &Step) {
    match step {
        // Both as a `Value` and as a foreign type.
        Step::Attribute(key, value) if key.len() % 2 == 0 => {
            value.with(|value| writer.attribute(limits, key, &value));
        }
        Step::Attribute(key, value) => writer.attribute(limits, key, value),
        Step::Event(time, name, attributes) => {
            writer.event(limits, *time, name, attributes.iter().map(|(k, v)| (k.as_str(), v)));
        }
        Step::Link(link, attributes) => {
            let target = LinkedContext {
                trace_id: TraceId(link.trace_id),
                span_id: SpanId(link.span_id),
                trace_flags: TraceFlags(link.trace_flags),
                is_remote: link.is_remote,
                trace_state: link.trace_state.clone().into(),
            };
            writer.link(limits, &target, attributes.iter().map(|(k, v)| (k.as_str(), v)));
        }
        Step::Status(code, message) => writer.status(limits, *code, message),
        Step::Rename(name) => writer.rename(name),
    }
}
