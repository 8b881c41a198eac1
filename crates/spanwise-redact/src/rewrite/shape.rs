//! The messages of OTLP, as far as rules reach: which fields are attributes, texts or messages.

use crate::rule::Target;

/// A message: the fields that rules reach, by number. All others are copied.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(super) fields: &'static [(u32, Part)],
}

/// A field that rules reach.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// A `KeyValue`.
    Attribute(Target),
    /// A string.
    Text(Target),
    Message(&'static Shape),
}

/// `Span`, of `opentelemetry/proto/trace/v1/trace.proto`.
pub(crate) static SPAN: Shape = Shape {
    fields: &[
        (5, Part::Text(Target::SpanName)),
        (9, Part::Attribute(Target::SpanAttribute)),
        (11, Part::Message(&EVENT)),
        (13, Part::Message(&LINK)),
        (15, Part::Message(&STATUS)),
    ],
};

static EVENT: Shape = Shape {
    fields: &[(2, Part::Text(Target::EventName)), (3, Part::Attribute(Target::EventAttribute))],
};

static LINK: Shape = Shape { fields: &[(4, Part::Attribute(Target::LinkAttribute))] };

static STATUS: Shape = Shape { fields: &[(2, Part::Text(Target::StatusMessage))] };

/// `Resource`.
pub(crate) static RESOURCE: Shape =
    Shape { fields: &[(1, Part::Attribute(Target::ResourceAttribute))] };

/// `InstrumentationScope`.
pub(crate) static SCOPE: Shape = Shape { fields: &[(3, Part::Attribute(Target::ScopeAttribute))] };

static SCOPE_SPANS: Shape =
    Shape { fields: &[(1, Part::Message(&SCOPE)), (2, Part::Message(&SPAN))] };

static RESOURCE_SPANS: Shape =
    Shape { fields: &[(1, Part::Message(&RESOURCE)), (2, Part::Message(&SCOPE_SPANS))] };

/// `ExportTraceServiceRequest`.
pub(crate) static REQUEST: Shape = Shape { fields: &[(1, Part::Message(&RESOURCE_SPANS))] };

impl Shape {
    #[inline]
    pub(super) fn part(&self, number: u32) -> Option<Part> {
        self.fields.iter().find(|(known, _)| *known == number).map(|(_, part)| *part)
    }
}

/// The most messages inside of each other: request, resource spans, scope spans, span, event.
pub(super) const DEPTH: usize = 5;
