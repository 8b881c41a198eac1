//! Which fields of a message need a look at, as tables.

use super::shape::{Part, SHAPES, Shape};
use crate::rule::{Target, Targets};

/// The plans of all shapes for the targets of a redactor.
#[derive(Debug)]
pub(crate) struct Plans([Plan; SHAPES.len()]);

/// The plan of one message.
#[derive(Debug)]
pub(super) struct Plan {
    steps: [Step; 256],
    /// The tag of attributes that rules reach; 0 if there are none.
    attribute: u8,
    target: Target,
    text: Target,
}

/// The treatment of a field, by the first byte of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Reads the field.
    Read,
    Text,
    SkipVarint,
    SkipFixed64,
    SkipBytes,
    SkipFixed32,
    /// A tag of two bytes, of which the second one is not 0.
    SkipLongFixed32,
}

impl Plans {
    /// The plans for rules with these targets.
    pub(crate) fn new(targets: Targets) -> Self {
        Self(SHAPES.map(|shape| Plan::new(shape, targets)))
    }

    #[inline]
    pub(super) fn of(&self, shape: &Shape) -> &Plan {
        &self.0[shape.index as usize]
    }
}

impl Plan {
    fn new(shape: &Shape, targets: Targets) -> Self {
        let mut steps = [Step::Read; 256];
        let (mut attribute, mut target, mut text) = (0, Target::SpanAttribute, Target::SpanName);
        // Rules reach no fields with longer tags. `flags` is the usual one.
        let long = steps.iter_mut().skip(0x85).step_by(8);
        long.for_each(|step| *step = Step::SkipLongFixed32);
        for (tag, step) in (0..0x80).zip(&mut steps).skip(8) {
            let part = shape.part(tag >> 3).filter(|part| part.targets().overlaps(targets));
            *step = match (part, tag & 7) {
                (None, 0) => Step::SkipVarint,
                (None, 1) => Step::SkipFixed64,
                (None, 2) => Step::SkipBytes,
                (None, 5) => Step::SkipFixed32,
                (Some(Part::Attribute(of)), 2) => {
                    (attribute, target) = (tag as u8, of);
                    Step::Read
                }
                (Some(Part::Text(of)), 2) => {
                    text = of;
                    Step::Text
                }
                _ => Step::Read,
            };
        }
        Self { steps, attribute, target, text }
    }

    #[inline(always)]
    pub(super) fn step(&self, tag: u8) -> Step {
        self.steps[usize::from(tag)]
    }

    /// The tag of attributes that rules reach; no tag is 0.
    #[inline(always)]
    pub(super) fn attribute(&self) -> u8 {
        self.attribute
    }

    /// The target of the one text of the message.
    #[inline]
    pub(super) fn text(&self) -> Target {
        self.text
    }

    /// The target of the attributes of the message.
    #[inline]
    pub(super) fn target(&self) -> Target {
        self.target
    }
}
