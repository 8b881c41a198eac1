//! The tracer: decides, names, times.

use crate::core::{Core, Phase};
use crate::host::SdkHost;
use crate::ids;
use crate::provider::Handle;
use crate::span::{Beginning, Identity, Span};
use crate::suppression::is_suppressed;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, TraceContextExt, TraceFlags, TraceState,
};
use opentelemetry::{Context, KeyValue};
use spanwise_ledger::{Counter, DropReason};
use spanwise_sampling::{
    ApiAttributes, FastDecision, Randomness, SamplingDecision, SamplingParameters, parent_of,
    trace_state_of,
};
use spanwise_wire::SpanKind;
use spanwise_worker::{catch_panic, clock, fork};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Starts spans of one instrumentation scope.
///
/// Through [`opentelemetry::trace::Tracer`] it serves any code written for OpenTelemetry. The
/// methods here take a borrowed name and an explicit parent, and allocate nothing.
///
/// ```no_run
/// # use spanwise_sdk as spanwise;
/// use spanwise::{SpanKind, Spanwise};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_service_name("shop").build()?;
///     let tracer = spanwise.tracer("shop::orders");
///     let rows = vec!["book", "pen"];
///
///     let mut request = tracer.root("GET /orders", SpanKind::Server);
///     request.attribute("http.request.method", "GET").attribute("http.response.status_code", 200);
///     let mut query = tracer.child("SELECT", SpanKind::Client, request.context());
///     query.attribute("db.system.name", "postgresql");
///     query.attribute("db.response.returned_rows", rows.len());
///     query.finish();
///     request.finish();
///     // A drop does not wait: this does, and says what became of the spans.
///     println!("{}", spanwise.shutdown(std::time::Duration::from_secs(5))?);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Tracer {
    pub(crate) core: Arc<Core>,
    pub(crate) scope: u32,
    /// For samplers that ask.
    pub(crate) scope_name: Arc<str>,
    /// Keeps the provider running.
    pub(crate) provider: Arc<Handle>,
}

impl Tracer {
    pub(crate) fn new(core: Arc<Core>, scope: u32, name: &str, provider: Arc<Handle>) -> Self {
        Self { core, scope, scope_name: name.into(), provider }
    }

    /// Starts a span of a new trace.
    #[inline]
    pub fn root(&self, name: &str, kind: SpanKind) -> Span {
        if is_suppressed() {
            return suppressed();
        }
        self.begin(name, kind, None, None, &None)
    }

    /// Starts a span below `parent`; an invalid parent makes a new trace.
    #[inline]
    pub fn child(&self, name: &str, kind: SpanKind, parent: &SpanContext) -> Span {
        if is_suppressed() {
            return suppressed();
        }
        self.begin(name, kind, Some(parent), None, &None)
    }

    #[inline(always)]
    fn begin(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        start: Option<SystemTime>,
        attributes: &Option<Vec<KeyValue>>,
    ) -> Span {
        let core = &self.core;
        if !core.is_running() {
            return self.begin_unrecorded(name, kind, parent, attributes);
        }
        let parent = parent.filter(|parent| parent.is_valid() || self.is_no_parent(parent));
        let (trace_id, span_id) = ids::below(parent, core.process);
        let quick = core.sampler.quick(parent.map(|parent| parent.is_sampled()));
        let inherits = parent.is_some_and(|parent| *parent.trace_state() != TraceState::NONE);
        let keep = match quick {
            FastDecision::Keep if !inherits => true,
            FastDecision::Drop if !inherits => false,
            _ => {
                let ids = (trace_id, span_id);
                return self
                    .begin_asking::<true>(name, kind, parent, start, attributes, ids, quick);
            }
        };
        self.begin_decided::<true>(name, kind, parent, start, (trace_id, span_id), keep)
    }

    /// `RECORDS`: otherwise the span only carries what was decided, and nothing is counted.
    #[inline(always)]
    fn begin_decided<const RECORDS: bool>(
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
        // No other flag is known, and those must be zero (section *Other Flags*).
        let flags = parent.map_or(RANDOM, |it| it.trace_flags() & RANDOM).with_sampled(keep);
        let context = Identity { trace_id, span_id, flags };
        if !RECORDS {
            return Span::off(context);
        }
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

    /// One word is not enough for a decision, or there is a trace state to pass on. Rare, and most
    /// of them allocate: apart, so that nothing of it is in the way of the others.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "all that is known of a span at its start")]
    fn begin_asking<const RECORDS: bool>(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        start: Option<SystemTime>,
        attributes: &Option<Vec<KeyValue>>,
        ids: (u128, u64),
        quick: FastDecision,
    ) -> Span {
        let state = parent.map(|parent| parent.trace_state());
        let passes = |kept| parent.is_none_or(|it| self.core.sampler.passes_trace_state(it, kept));
        let begin = |keep| self.begin_decided::<RECORDS>(name, kind, parent, start, ids, keep);
        match quick {
            FastDecision::Keep if passes(true) => return inheriting(begin(true), state),
            FastDecision::Drop if passes(false) => return inheriting(begin(false), state),
            FastDecision::Threshold(threshold)
                if parent.is_none() && !threshold.keeps(Randomness::of_trace(ids.0)) =>
            {
                return begin(false);
            }
            _ => {}
        }
        let attributes = ApiAttributes(attributes.as_deref().unwrap_or_default());
        let params = SamplingParameters {
            trace_id: ids.0,
            parent: parent.and_then(parent_of),
            name,
            kind,
            scope: &self.scope_name,
            attributes: &attributes,
            host: &SdkHost,
        };
        let asked = catch_panic(|| {
            self.core.sampler.should_sample(&params, |decision| {
                let SamplingDecision {
                    sampled, malformed, randomness_assumed, annotations, ..
                } = decision;
                if malformed {
                    self.core.ledger.count(Counter::InvalidTraceState, 1);
                }
                if randomness_assumed {
                    self.core.ledger.count(Counter::AssumedRandomness, 1);
                }
                // What is recorded and not kept has nobody who would read it here.
                let mut span = match trace_state_of(state, &params, &decision) {
                    Some(edited) => begin(sampled).with_trace_state(edited),
                    None => inheriting(begin(sampled), state),
                };
                for (key, value) in annotations.attributes() {
                    span.attribute(key, value);
                }
                span
            })
        });
        asked.unwrap_or_else(|_| {
            // A sampler of the user's: its panic must not become the caller's.
            self.core.ledger.count(Counter::SamplerPanicked, 1);
            let decision = params.follow_parent();
            match trace_state_of(state, &params, &decision) {
                Some(edited) => begin(decision.sampled).with_trace_state(edited),
                None => inheriting(begin(decision.sampled), state),
            }
        })
    }

    /// An invalid parent means a new trace, and is told unless it is the usual "none".
    #[cold]
    fn is_no_parent(&self, parent: &SpanContext) -> bool {
        if *parent != SpanContext::NONE {
            self.core.ledger.count(Counter::InvalidParent, 1);
        }
        false
    }

    /// Nothing is exported: the span has ids, and the sampler decides its flag, for whoever reads
    /// them downstream or in a log; it records nothing and is not counted.
    ///
    /// Disabled or shut down: the parent's context passes through. So it does without a worker, in
    /// a forked child for one, where a span is lost from the start.
    #[cold]
    #[inline(never)]
    fn begin_unrecorded(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        attributes: &Option<Vec<KeyValue>>,
    ) -> Span {
        match self.core.phase() {
            Phase::NotExporting => {
                let parent = parent.filter(|parent| parent.is_valid() || self.is_no_parent(parent));
                // Not the provider's process: without a worker a forked child can go on.
                let ids = ids::below(parent, fork::generation());
                let quick = self.core.sampler.quick(parent.map(SpanContext::is_sampled));
                return self
                    .begin_asking::<false>(name, kind, parent, None, attributes, ids, quick);
            }
            Phase::WorkerGone => {
                self.core.ledger.started();
                self.core.ledger.dropped(DropReason::WorkerUnavailable, 1);
            }
            _ => {}
        }
        self.provider.not_recorded();
        Span::carrying(parent.cloned().unwrap_or(SpanContext::NONE))
    }
}

impl opentelemetry::trace::Tracer for Tracer {
    type Span = Span;

    /// Runs inside a borrow of the current context: attaches none, drops no guard.
    #[inline(always)]
    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> Span {
        if parent_cx.is_telemetry_suppressed() {
            return suppressed();
        }
        let parent_span = parent_cx.has_active_span().then(|| parent_cx.span());
        let parent = parent_span.as_ref().map(|span| span.span_context());
        let kind = builder.span_kind.as_ref().map_or(SpanKind::Internal, SpanKind::from);
        let mut span =
            self.begin(&builder.name, kind, parent, builder.start_time, &builder.attributes);
        let bare = builder.attributes.is_none()
            && builder.events.is_none()
            && builder.links.is_none()
            && matches!(builder.name, Cow::Borrowed(_));
        if bare {
            // It owns nothing, but its drop would have to find that out.
            std::mem::forget(builder);
        } else {
            fill(&mut span, builder);
        }
        span
    }
}

/// The context suppresses telemetry.
#[cold]
fn suppressed() -> Span {
    Span::carrying(SpanContext::NONE)
}

/// The span with its parent's trace state, if that has one.
fn inheriting(span: Span, state: Option<&TraceState>) -> Span {
    match state {
        Some(state) if *state != TraceState::NONE => span.with_trace_state(state.clone()),
        _ => span,
    }
}

/// What the builder brought along.
#[inline(never)]
fn fill(span: &mut Span, builder: SpanBuilder) {
    if !span.is_recording() {
        return;
    }
    span.set_attributes(builder.attributes.unwrap_or_default());
    for event in builder.events.unwrap_or_default() {
        let time = |start| clock::align(start, clock::to_unix_nanos(event.timestamp));
        span.put_event(&event.name, time, &event.attributes);
    }
    for link in builder.links.unwrap_or_default() {
        span.add_link(link.span_context, link.attributes);
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// W3C Trace Context level 2: the trace id is random in its low 56 bits.
pub(crate) const RANDOM: TraceFlags = TraceFlags::new(0x02);
