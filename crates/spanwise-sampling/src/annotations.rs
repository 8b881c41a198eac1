//! Annotations: attributes and trace state members that samplers add to sampled spans.

use spanwise_wire::{OwnedValue, Value};

/// Attributes and trace state members for a sampled span (specification, *SamplingIntent*).
///
/// Borrowed from the samplers that decided, at most from two that wrap one another. Every decision
/// carries this value, so it is two words.
#[derive(Debug, Clone, Copy)]
pub struct Annotations<'s>([Option<&'s Annotation>; DEPTH]);

impl<'s> Annotations<'s> {
    /// No annotations.
    pub const NONE: Self = Self([None; DEPTH]);

    /// The attributes, those of the innermost sampler first.
    pub fn attributes(&self) -> impl Iterator<Item = (&'s str, Value<'s>)> + use<'s> {
        let attributes = self.0.into_iter().flatten().flat_map(|annotation| &annotation.attributes);
        attributes.map(|(key, value)| (key.as_str(), Value::from(value)))
    }

    /// The members of the trace state.
    pub fn members(&self) -> impl Iterator<Item = (&'s str, &'s str)> + use<'s> {
        let members = self.0.into_iter().flatten().flat_map(|annotation| &annotation.members);
        members.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are no annotations.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// Adds those of an outer sampler; beyond two samplers nothing is added.
    pub(crate) fn and(mut self, annotation: &'s Annotation) -> Self {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(annotation);
        }
        self
    }
}

/// The attributes and trace state members of one annotating sampler.
#[derive(Debug, Default, Clone)]
pub(crate) struct Annotation {
    pub(crate) attributes: Vec<(String, OwnedValue)>,
    pub(crate) members: Vec<(String, String)>,
}

/// The number of annotating samplers around one another whose annotations a decision can hold.
const DEPTH: usize = 2;
