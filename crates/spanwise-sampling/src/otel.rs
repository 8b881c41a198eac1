//! The OpenTelemetry API's types as what samplers read and write.

use crate::intent::{Change, Decision};
use crate::offer::{Attributes, Offer, Parent};
use crate::trace_state::OT;
use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{KeyValue, Value as ApiValue};
use spanwise_wire::write::Value;

/// Attributes of the API. Of lists, samplers see nothing.
#[derive(Debug, Clone, Copy)]
pub struct ApiAttributes<'a>(pub &'a [KeyValue]);

impl Attributes for ApiAttributes<'_> {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        let attribute = self.0.iter().find(|attribute| attribute.key.as_str() == key)?;
        match &attribute.value {
            ApiValue::Bool(bool) => Some(Value::Bool(*bool)),
            ApiValue::I64(number) => Some(Value::I64(*number)),
            ApiValue::F64(number) => Some(Value::F64(*number)),
            ApiValue::String(text) => Some(Value::Str(text.as_str())),
            _ => None,
        }
    }
}

/// The parent that `context` is; `None` if it is invalid, which makes the span a root.
pub fn parent_of(context: &SpanContext) -> Option<Parent<'_>> {
    let random = context.trace_flags().to_u8() & RANDOM != 0;
    let parent =
        || Parent::new(context.is_sampled(), context.is_remote(), context.trace_state().get(OT));
    context.is_valid().then(|| parent().with_random(random))
}

/// The trace state of a span: its parent's, edited as `decision` says. `None` is the parent's as
/// it is.
pub fn trace_state_of(
    parent: Option<&TraceState>,
    offer: &Offer<'_>,
    decision: &Decision<'_>,
) -> Option<TraceState> {
    if decision.th == Change::Pass && decision.annotations.members().next().is_none() {
        return None;
    }
    let mut edited = parent.cloned().unwrap_or_default();
    for (key, value) in decision.annotations.members() {
        // A member that may not be is left out.
        edited = edited.insert(key, value).unwrap_or(edited);
    }
    if decision.th == Change::Pass {
        return Some(edited);
    }
    let mut member = String::new();
    let changed = if decision.th.write_member(offer, &mut member) {
        edited.insert(OT, member)
    } else {
        edited.delete(OT)
    };
    // What we write is well formed; were it refused, the old threshold must not stand either.
    Some(changed.or_else(|_| edited.delete(OT)).unwrap_or_default())
}

/// W3C Trace Context level 2: the trace id is random in its low 56 bits.
const RANDOM: u8 = 0x02;
