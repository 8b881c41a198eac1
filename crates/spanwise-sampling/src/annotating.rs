//! Samplers that wrap another one: one adds annotations, one records dropped spans.

use crate::annotations::Annotation;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::sampler::{ComposableSampler, Sampler};
use crate::sampling_rate::SamplingRate;
use crate::tick::Tick;
use crate::trace_state::OT;
use spanwise_wire::OwnedValue;
use std::sync::Arc;

/// Wraps a sampler and adds attributes and trace state members to the spans that it samples
/// (specification, *ComposableAnnotating*).
#[derive(Debug, Clone)]
pub struct AnnotatingSampler {
    inner: Sampler,
    annotation: Arc<Annotation>,
}

impl AnnotatingSampler {
    /// Wraps `inner` without annotations; add them with the methods below.
    pub fn new(inner: impl Into<Sampler>) -> Self {
        Self { inner: inner.into(), annotation: Arc::default() }
    }

    /// Adds an attribute to sampled spans.
    #[must_use]
    pub fn with_attribute(self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.annotated(|annotation| annotation.attributes.push((key, value)))
    }

    /// Sets a member of the trace state of sampled spans. A member `ot` is ignored: only the
    /// decision writes that one.
    #[must_use]
    pub fn with_member(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        if key == OT {
            return self;
        }
        self.annotated(|annotation| annotation.members.push((key, value)))
    }

    fn annotated(self, add: impl FnOnce(&mut Annotation)) -> Self {
        let mut annotation = Annotation::clone(&self.annotation);
        add(&mut annotation);
        Self { inner: self.inner, annotation: Arc::new(annotation) }
    }
}

impl ComposableSampler for AnnotatingSampler {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let intent = self.inner.sampling_intent(params);
        SamplingIntent { annotations: intent.annotations.and(&self.annotation), ..intent }
    }

    fn rates(&self) -> Vec<SamplingRate> {
        self.inner.rates()
    }

    fn tick(&self, tick: &Tick) {
        self.inner.tick(tick);
    }

    fn description(&self) -> String {
        format!("AnnotatingSampler{{{}}}", self.inner)
    }
}

/// Wraps a sampler and records the spans that it drops, without sampling them (specification,
/// *AlwaysRecord*). For span processors that derive metrics from spans; an exporter gets none of them.
#[derive(Debug, Clone)]
pub struct AlwaysRecord {
    inner: Sampler,
}

impl AlwaysRecord {
    /// Samples as `inner` does, and records the other spans.
    pub fn new(inner: impl Into<Sampler>) -> Self {
        Self { inner: inner.into() }
    }
}

impl ComposableSampler for AlwaysRecord {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent { record: true, ..self.inner.sampling_intent(params) }
    }

    fn rates(&self) -> Vec<SamplingRate> {
        self.inner.rates()
    }

    fn tick(&self, tick: &Tick) {
        self.inner.tick(tick);
    }

    fn description(&self) -> String {
        format!("AlwaysRecord{{{}}}", self.inner)
    }
}
