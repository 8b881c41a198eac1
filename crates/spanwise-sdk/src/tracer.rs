//! The tracer: decides, names, times.

use crate::core::Core;
use crate::ids;
use crate::provider::Handle;
use crate::sampler::Decision;
use crate::span::{Beginning, Span};
use opentelemetry::Context;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind as ApiKind, TraceContextExt, TraceFlags,
    TraceState,
};
use spanwise_ledger::Note;
use spanwise_wire::SpanKind;
use spanwise_worker::clock;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Starts spans of one instrumentation scope.
///
/// Through [`opentelemetry::trace::Tracer`] it serves any code written for OpenTelemetry. The
/// methods here take a borrowed name and an explicit parent, and allocate nothing.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use opentelemetry::trace::TracerProvider as _;
/// use spanwise_sdk::{SpanKind, Spanwise};
///
/// let spanwise = Spanwise::builder().with_service_name("shop").build()?;
/// let tracer = spanwise.tracer("shop::orders");
///
/// let mut request = tracer.root("GET /orders", SpanKind::Server);
/// request.attribute("http.request.method", "GET").attribute("http.response.status_code", 200);
/// let mut query = tracer.child("SELECT", SpanKind::Client, request.context());
/// query.attribute("db.system.name", "postgresql");
/// query.finish();
/// request.finish();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tracer {
    core: Arc<Core>,
    scope: u32,
    /// Keeps the provider running.
    _provider: Arc<Handle>,
}

impl Tracer {
    pub(crate) fn new(core: Arc<Core>, scope: u32, provider: Arc<Handle>) -> Self {
        Self { core, scope, _provider: provider }
    }

    /// Starts a span of a new trace.
    #[inline]
    pub fn root(&self, name: &str, kind: SpanKind) -> Span {
        self.begin(name, kind, None, None)
    }

    /// Starts a span below `parent`; an invalid parent makes a new trace.
    #[inline]
    pub fn child(&self, name: &str, kind: SpanKind, parent: &SpanContext) -> Span {
        self.begin(name, kind, Some(parent), None)
    }

    #[inline(always)]
    fn begin(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        start: Option<SystemTime>,
    ) -> Span {
        let core = &self.core;
        if core.disabled {
            return Span::off(parent.cloned().unwrap_or(SpanContext::NONE));
        }
        let parent = parent.filter(|parent| {
            let valid = parent.is_valid();
            if !valid && **parent != SpanContext::NONE {
                core.ledger.note(Note::InvalidParent, 1);
            }
            valid
        });
        let (trace_id, span_id) = match parent {
            Some(parent) => (u128::from_be_bytes(parent.trace_id().to_bytes()), ids::span_id()),
            None => ids::trace_and_span_id(),
        };
        // Our trace ids are random in all their bits, which consistent sampling builds on: say so
        // (W3C Trace Context level 2). A parent's word on its own id is passed on as it is.
        let flags = parent.map_or(RANDOM, |parent| parent.trace_flags());
        let sampler = &core.sampler;
        let decision = sampler.decide(parent, trace_id);
        let keep = matches!(decision, Decision::Keep | Decision::KeepWith(_));
        // Nothing but these two forms: a trace state that is passed on from one place to the next
        // would be copied through memory each time, and nearly always it is empty.
        let inherited = parent.map(|parent| parent.trace_state());
        let trace_state = match decision {
            Decision::Keep | Decision::Drop => match inherited {
                Some(inherited) if inherited.into_iter().len() > 0 => inherited.clone(),
                _ => TraceState::NONE,
            },
            Decision::KeepWith(own) | Decision::DropWith(own) => *own,
        };
        if keep {
            core.ledger.started();
            Span::recording(
                core,
                Beginning {
                    name,
                    kind,
                    scope: self.scope,
                    trace_id,
                    span_id,
                    parent_span_id: parent
                        .map_or(0, |parent| u64::from_be_bytes(parent.span_id().to_bytes())),
                    parent_is_remote: parent.is_some_and(|parent| parent.is_remote()),
                    flags: flags.with_sampled(true),
                    trace_state,
                    start,
                },
            )
        } else {
            core.ledger.sampled_out();
            Span::off(SpanContext::new(
                trace_id.into(),
                span_id.into(),
                flags.with_sampled(false),
                false,
                trace_state,
            ))
        }
    }
}

impl opentelemetry::trace::Tracer for Tracer {
    type Span = Span;

    /// Runs inside a borrow of the current context: attaches none, drops no guard.
    #[inline(always)]
    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> Span {
        if parent_cx.is_telemetry_suppressed() {
            return Span::off(SpanContext::NONE);
        }
        let parent_span = parent_cx.has_active_span().then(|| parent_cx.span());
        let parent = parent_span.as_ref().map(|span| span.span_context());
        let kind = builder.span_kind.as_ref().map_or(SpanKind::Internal, wire_kind);
        let mut span = self.begin(&builder.name, kind, parent, builder.start_time);
        if builder.attributes.is_some() || builder.events.is_some() || builder.links.is_some() {
            fill(&mut span, builder);
        }
        span
    }
}

/// What the builder brought along.
fn fill(span: &mut Span, builder: SpanBuilder) {
    if !span.is_recording() {
        return;
    }
    span.set_attributes(builder.attributes.unwrap_or_default());
    for event in builder.events.unwrap_or_default() {
        let time = || clock::to_unix_nanos(event.timestamp);
        span.put_event(&event.name, time, &event.attributes);
    }
    for link in builder.links.unwrap_or_default() {
        span.add_link(link.span_context, link.attributes);
    }
}

#[inline(always)]
fn wire_kind(kind: &ApiKind) -> SpanKind {
    match kind {
        ApiKind::Internal => SpanKind::Internal,
        ApiKind::Server => SpanKind::Server,
        ApiKind::Client => SpanKind::Client,
        ApiKind::Producer => SpanKind::Producer,
        ApiKind::Consumer => SpanKind::Consumer,
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// W3C Trace Context level 2: the trace id is random in its low 56 bits.
const RANDOM: TraceFlags = TraceFlags::new(0x02);
