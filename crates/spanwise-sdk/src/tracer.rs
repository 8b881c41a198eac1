//! The tracer: decides, names, times.

use crate::core::Core;
use crate::ids;
use crate::provider::Handle;
use crate::sampler::{Decision, Verdict};
use crate::span::{Beginning, Identity, Span};
use opentelemetry::trace::{
    Event, Link, Span as _, SpanBuilder, SpanContext, SpanKind as ApiKind, TraceContextExt,
    TraceFlags, TraceState,
};
use opentelemetry::{Context, KeyValue};
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
            return Self::pass_through(parent);
        }
        let parent = parent.filter(|parent| parent.is_valid() || self.is_no_parent(parent));
        let (trace_id, span_id) = match parent {
            Some(parent) => (u128::from_be_bytes(parent.trace_id().to_bytes()), ids::span_id()),
            None => ids::trace_and_span_id(),
        };
        let verdict = core.verdicts.on(parent);
        let inherits = parent.is_some_and(|parent| *parent.trace_state() != TraceState::NONE);
        if verdict == Verdict::Ask || inherits {
            return self.begin_asking(name, kind, parent, start, (trace_id, span_id));
        }
        self.begin_decided(name, kind, parent, start, (trace_id, span_id), verdict == Verdict::Keep)
    }

    #[inline(always)]
    fn begin_decided(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        start: Option<SystemTime>,
        (trace_id, span_id): (u128, u64),
        keep: bool,
    ) -> Span {
        let core = &self.core;
        // Our trace ids are random in all their bits, which consistent sampling builds on: say so
        // (W3C Trace Context level 2). A parent's word on its own id is passed on as it is.
        let flags = parent.map_or(RANDOM, |parent| parent.trace_flags()).with_sampled(keep);
        let context = Identity { trace_id, span_id, flags };
        if !keep {
            core.ledger.sampled_out();
            return Span::off(context);
        }
        core.ledger.started();
        let parent_span_id =
            parent.map_or(0, |parent| u64::from_be_bytes(parent.span_id().to_bytes()));
        let parent_is_remote = parent.is_some_and(|parent| parent.is_remote());
        let scope = self.scope;
        Span::recording(
            core,
            Beginning { name, kind, scope, context, parent_span_id, parent_is_remote, start },
        )
    }

    /// The sampler has to look at the span, or there is a trace state to pass on. Rare, and each
    /// of them allocates: apart, so that nothing of it is in the way of the others.
    #[cold]
    #[inline(never)]
    fn begin_asking(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        start: Option<SystemTime>,
        ids: (u128, u64),
    ) -> Span {
        let decision = self.core.sampler.decide(parent, ids.0);
        let keep = matches!(decision, Decision::Keep | Decision::KeepWith(_));
        let span = self.begin_decided(name, kind, parent, start, ids, keep);
        match decision {
            Decision::KeepWith(own) | Decision::DropWith(own) => span.with_trace_state(*own),
            Decision::Keep | Decision::Drop => match parent {
                Some(parent) => span.with_trace_state(parent.trace_state().clone()),
                None => span,
            },
        }
    }

    /// An invalid parent means a new trace, and is told unless it is the usual "none".
    #[cold]
    fn is_no_parent(&self, parent: &SpanContext) -> bool {
        if *parent != SpanContext::NONE {
            self.core.ledger.note(Note::InvalidParent, 1);
        }
        false
    }

    /// `OTEL_SDK_DISABLED`: the parent's context passes through.
    #[cold]
    fn pass_through(parent: Option<&SpanContext>) -> Span {
        Span::carrying(parent.cloned().unwrap_or(SpanContext::NONE))
    }
}

impl opentelemetry::trace::Tracer for Tracer {
    type Span = Span;

    /// Runs inside a borrow of the current context: attaches none, drops no guard.
    #[inline(always)]
    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> Span {
        if parent_cx.is_telemetry_suppressed() {
            return Span::carrying(SpanContext::NONE);
        }
        let parent_span = parent_cx.has_active_span().then(|| parent_cx.span());
        let parent = parent_span.as_ref().map(|span| span.span_context());
        let SpanBuilder { name, start_time, span_kind, attributes, events, links } = builder;
        let kind = span_kind.as_ref().map_or(SpanKind::Internal, wire_kind);
        let mut span = self.begin(&name, kind, parent, start_time);
        if attributes.is_some() || events.is_some() || links.is_some() {
            fill(&mut span, attributes, events, links);
        } else {
            // Three times nothing, but dropping them has to find that out.
            std::mem::forget((attributes, events, links));
        }
        span
    }
}

/// What the builder brought along.
#[inline(never)]
fn fill(
    span: &mut Span,
    attributes: Option<Vec<KeyValue>>,
    events: Option<Vec<Event>>,
    links: Option<Vec<Link>>,
) {
    if !span.is_recording() {
        return;
    }
    span.set_attributes(attributes.unwrap_or_default());
    for event in events.unwrap_or_default() {
        let time = || clock::to_unix_nanos(event.timestamp);
        span.put_event(&event.name, time, &event.attributes);
    }
    for link in links.unwrap_or_default() {
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
