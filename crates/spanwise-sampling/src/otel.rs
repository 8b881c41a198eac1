//! The OpenTelemetry API's types as parameters and results of samplers.

use crate::attributes::Attributes;
use crate::intent::{SamplingDecision, TraceStateUpdate};
use crate::parameters::SamplingParameters;
use crate::parent_span::Parent;
use crate::trace_state::{OT, OtMember};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, TraceState};
use spanwise_wire::{TraceFlags, Value};

/// The API's attributes as a sampler's initial [`Attributes`].
#[derive(Debug, Clone, Copy)]
pub struct ApiAttributes<'a>(pub &'a [KeyValue]);

impl Attributes for ApiAttributes<'_> {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        let attribute = self.0.iter().find(|attribute| attribute.key.as_str() == key)?;
        Some(Value::from(&attribute.value))
    }
}

/// The parent with this `SpanContext`; `None` if the context is invalid, which makes the span a
/// root.
pub fn parent_of(context: &SpanContext) -> Option<Parent<'_>> {
    let random = TraceFlags::from(context.trace_flags()).is_random();
    let member = || OtMember::of_members(context.trace_state().into_iter());
    let parent = || Parent::of_member(context.is_sampled(), context.is_remote(), member());
    context.is_valid().then(|| parent().with_random(random))
}

/// The `TraceState` of a span: its parent's, with the edits of `decision`; `None` if nothing
/// changes.
///
/// An edit of `ot` replaces all members of that name by one, or removes them.
pub fn trace_state_of(
    parent: Option<&TraceState>,
    params: &SamplingParameters<'_>,
    decision: &SamplingDecision<'_>,
) -> Option<TraceState> {
    if decision.th == TraceStateUpdate::Pass && decision.annotations.members().next().is_none() {
        return None;
    }
    let mut edited = parent.cloned().unwrap_or_default();
    for (key, value) in decision.annotations.members() {
        // The API rejects a malformed member: it is left out.
        edited = edited.insert(key, value).unwrap_or(edited);
    }
    if decision.th == TraceStateUpdate::Pass {
        return Some(edited);
    }
    // The API edits only the first of several members with one key.
    while edited.get(OT).is_some() {
        edited = edited.delete(OT).unwrap_or_default();
    }
    let mut member = String::new();
    if decision.th.write_member(params, &mut member) {
        // The member is well formed; if the API rejected it, the span would have no threshold.
        edited = edited.insert(OT, member).unwrap_or(edited);
    }
    Some(edited)
}
