//! Samplers that add to what another one decides.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::sampler::{ComposableSampler, Sampler};
use crate::tick::Tick;
use crate::trace_state::OT;
use spanwise_wire::{OwnedValue, Value};
use std::sync::Arc;

/// Decides as another sampler does, and gives kept spans attributes and trace state members
/// (specification, *ComposableAnnotating*).
#[derive(Debug, Clone)]
pub struct AnnotatingSampler {
    inner: Sampler,
    note: Arc<Note>,
}

#[derive(Debug, Default)]
struct Note {
    attributes: Vec<(String, OwnedValue)>,
    members: Vec<(String, String)>,
}

impl AnnotatingSampler {
    /// Decides as `inner` does. Add attributes and members to it.
    pub fn new(inner: impl Into<Sampler>) -> Self {
        Self { inner: inner.into(), note: Arc::default() }
    }

    /// Adds an attribute to spans that are kept.
    #[must_use]
    pub fn with_attribute(self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.noting(|note| note.attributes.push((key, value)))
    }

    /// Sets a member of the trace state of spans that are kept, beside `ot`. That one is written by
    /// the decision alone: given here it is left out.
    #[must_use]
    pub fn with_member(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        if key == OT {
            return self;
        }
        self.noting(|note| note.members.push((key, value)))
    }

    fn noting(self, add: impl FnOnce(&mut Note)) -> Self {
        let mut note =
            Note { attributes: self.note.attributes.clone(), members: self.note.members.clone() };
        add(&mut note);
        Self { inner: self.inner, note: Arc::new(note) }
    }
}

impl ComposableSampler for AnnotatingSampler {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let intent = self.inner.sampling_intent(params);
        SamplingIntent { annotations: intent.annotations.and(&self.note), ..intent }
    }

    fn tick(&self, tick: &Tick) {
        self.inner.tick(tick);
    }

    fn description(&self) -> String {
        format!("AnnotatingSampler{{{}}}", self.inner)
    }
}

/// Records every span that another sampler drops, without keeping it (specification,
/// *AlwaysRecord*): for processors that make metrics of spans. `spanwise-sdk` has none, and drops
/// what is not kept.
#[derive(Debug, Clone)]
pub struct AlwaysRecord {
    inner: Sampler,
}

impl AlwaysRecord {
    /// Keeps what `inner` keeps, and records the rest.
    pub fn new(inner: impl Into<Sampler>) -> Self {
        Self { inner: inner.into() }
    }
}

impl ComposableSampler for AlwaysRecord {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent { record: true, ..self.inner.sampling_intent(params) }
    }

    fn tick(&self, tick: &Tick) {
        self.inner.tick(tick);
    }

    fn description(&self) -> String {
        format!("AlwaysRecord{{{}}}", self.inner)
    }
}

/// What kept spans get from the samplers that decided: borrowed from them, at most from two that
/// stand one inside the other. Small, because every decision carries it.
#[derive(Debug, Clone, Copy)]
pub struct Annotations<'s>([Option<&'s Note>; DEPTH]);

impl<'s> Annotations<'s> {
    /// Nothing.
    pub const NONE: Self = Self([None; DEPTH]);

    /// Attributes, the innermost sampler's first.
    pub fn attributes(&self) -> impl Iterator<Item = (&'s str, Value<'s>)> + use<'s> {
        let attributes = self.0.into_iter().flatten().flat_map(|note| &note.attributes);
        attributes.map(|(key, value)| (key.as_str(), Value::from(value)))
    }

    /// Members of the trace state.
    pub fn members(&self) -> impl Iterator<Item = (&'s str, &'s str)> + use<'s> {
        let members = self.0.into_iter().flatten().flat_map(|note| &note.members);
        members.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    fn and(mut self, note: &'s Note) -> Self {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(note);
        }
        self
    }
}

/// AnnotatingSampler samplers around one another, beyond which the outer ones add nothing.
const DEPTH: usize = 2;
