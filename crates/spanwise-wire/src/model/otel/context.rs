//! Ids, flags and contexts of links.

use crate::model::{LinkedContext, SpanId, StringValue, TraceFlags, TraceId};
use opentelemetry::trace as api;
use std::str::FromStr;

impl From<api::TraceId> for TraceId {
    #[inline(always)]
    fn from(id: api::TraceId) -> Self {
        Self::from_bytes(id.to_bytes())
    }
}

impl From<TraceId> for api::TraceId {
    #[inline(always)]
    fn from(id: TraceId) -> Self {
        Self::from(id.0)
    }
}

impl From<api::SpanId> for SpanId {
    #[inline(always)]
    fn from(id: api::SpanId) -> Self {
        Self::from_bytes(id.to_bytes())
    }
}

impl From<SpanId> for api::SpanId {
    #[inline(always)]
    fn from(id: SpanId) -> Self {
        Self::from(id.0)
    }
}

impl From<api::TraceFlags> for TraceFlags {
    #[inline(always)]
    fn from(flags: api::TraceFlags) -> Self {
        Self(flags.to_u8())
    }
}

impl From<TraceFlags> for api::TraceFlags {
    #[inline(always)]
    fn from(flags: TraceFlags) -> Self {
        Self::new(flags.0)
    }
}

impl From<&api::SpanContext> for LinkedContext {
    fn from(context: &api::SpanContext) -> Self {
        Self {
            trace_id: context.trace_id().into(),
            span_id: context.span_id().into(),
            trace_flags: context.trace_flags().into(),
            is_remote: context.is_remote(),
            trace_state: StringValue::Owned(context.trace_state().header()),
        }
    }
}

/// A `tracestate` that the API rejects becomes an empty one.
impl From<&LinkedContext> for api::SpanContext {
    fn from(context: &LinkedContext) -> Self {
        let trace_state = api::TraceState::from_str(&context.trace_state).unwrap_or_default();
        Self::new(
            context.trace_id.into(),
            context.span_id.into(),
            context.trace_flags.into(),
            context.is_remote,
            trace_state,
        )
    }
}
