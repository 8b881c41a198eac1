//! The messages of OTLP, as far as rules reach: which fields are attributes, texts or messages.

use crate::rule::{Target, Targets};

/// A message: the fields that rules reach, by number. All others are copied.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The place in [`SHAPES`].
    pub(super) index: u8,
    parts: [Option<Part>; NUMBERS],
    /// The number of the field of attributes; 0 if the message has none.
    pub(super) attributes: u32,
    /// All that the message holds.
    pub(super) targets: Targets,
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
pub(crate) static SPAN: Shape = Shape::new(
    0,
    &[
        (5, Part::Text(Target::SpanName)),
        (9, Part::Attribute(Target::SpanAttribute)),
        (11, Part::Message(&EVENT)),
        (13, Part::Message(&LINK)),
        (15, Part::Message(&STATUS)),
    ],
);

static EVENT: Shape = Shape::new(
    1,
    &[(2, Part::Text(Target::EventName)), (3, Part::Attribute(Target::EventAttribute))],
);

static LINK: Shape = Shape::new(2, &[(4, Part::Attribute(Target::LinkAttribute))]);

static STATUS: Shape = Shape::new(3, &[(2, Part::Text(Target::StatusMessage))]);

/// `Resource`.
pub(crate) static RESOURCE: Shape =
    Shape::new(4, &[(1, Part::Attribute(Target::ResourceAttribute))]);

/// `InstrumentationScope`.
pub(crate) static SCOPE: Shape = Shape::new(5, &[(3, Part::Attribute(Target::ScopeAttribute))]);

static SCOPE_SPANS: Shape = Shape::new(6, &[(1, Part::Message(&SCOPE)), (2, Part::Message(&SPAN))]);

static RESOURCE_SPANS: Shape =
    Shape::new(7, &[(1, Part::Message(&RESOURCE)), (2, Part::Message(&SCOPE_SPANS))]);

/// `ExportTraceServiceRequest`.
pub(crate) static REQUEST: Shape = Shape::new(8, &[(1, Part::Message(&RESOURCE_SPANS))]);

/// All shapes.
pub(super) static SHAPES: [&Shape; 9] =
    [&SPAN, &EVENT, &LINK, &STATUS, &RESOURCE, &SCOPE, &SCOPE_SPANS, &RESOURCE_SPANS, &REQUEST];

impl Shape {
    const fn new(index: u8, fields: &[(u32, Part)]) -> Self {
        let mut shape =
            Self { index, parts: [const { None }; NUMBERS], attributes: 0, targets: Targets::NONE };
        let mut at = 0;
        while at < fields.len() {
            let (number, part) = fields[at];
            if let Part::Attribute(_) = part {
                shape.attributes = number;
            }
            shape.targets = shape.targets.or(part.targets());
            shape.parts[number as usize] = Some(part);
            at += 1;
        }
        shape
    }

    #[inline]
    pub(super) fn part(&self, number: u32) -> Option<Part> {
        self.parts.get(number as usize).copied().flatten()
    }

    /// All that the message holds.
    #[inline]
    pub(crate) fn targets(&self) -> Targets {
        self.targets
    }
}

impl Part {
    /// The targets in the field.
    #[inline]
    pub(super) const fn targets(self) -> Targets {
        match self {
            Self::Attribute(target) | Self::Text(target) => Targets::one(target),
            Self::Message(shape) => shape.targets,
        }
    }
}

/// The numbers of fields that rules reach are below this.
const NUMBERS: usize = 16;
/// The most messages inside of each other: request, resource spans, scope spans, span, event.
pub(super) const DEPTH: usize = 5;
