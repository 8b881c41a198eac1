//! [`Tracer`]: starts spans through the OpenTelemetry API or through its own methods.

use super::decide::{SpanParameters, StartSpan, decide};
use super::observed::{ObservedSpans, context_below};
use super::scopes::TracerScope;
use super::shedding::Shedding;
use super::started::{AdmittedSpans, LocalSpans, Propagator, Recorder, RefusedSpans};
use super::suppression::is_suppressed;
use crate::core::{Core, Phase};
use crate::end::{FinishError, Finished, finish_pooled};
use crate::lifecycle::Handle;
use crate::processor::SpanObserver as _;
use crate::record::{MeasuredStart, Span};
use crate::span_metrics::SpanMetricsRecorder;
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, TraceContextExt};
use spanwise_ledger::{DropReason, ParentOrigin};
use spanwise_pool::PooledSpan;
use spanwise_wire::SpanKind;
use spanwise_worker::clock;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Starts spans of one instrumentation scope.
///
/// It implements [`opentelemetry::trace::Tracer`]. Its own methods take a borrowed name and an explicit
/// parent, and do not allocate.
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
///     // The shutdown waits, and returns the outcome of all spans.
///     println!("{}", spanwise.shutdown()?);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Tracer {
    pub(super) core: Arc<Core>,
    pub(super) scope: TracerScope,
    /// The provider, which runs until its last owner is dropped.
    pub(super) provider: Arc<Handle>,
}

impl Tracer {
    pub(crate) fn new(core: Arc<Core>, scope: u32, name: &str, provider: Arc<Handle>) -> Self {
        Self { core, scope: TracerScope { index: scope, name: name.into() }, provider }
    }

    /// Starts a span of a new trace.
    // Always: inlined, the kind and the length of the name are constants, which saves a tenth of the instructions.
    #[inline(always)]
    pub fn root(&self, name: &str, kind: SpanKind) -> Span {
        self.start_span(name, kind, None)
    }

    /// Starts a span below `parent`; an invalid parent makes a new trace.
    #[inline(always)]
    pub fn child(&self, name: &str, kind: SpanKind, parent: &SpanContext) -> Span {
        self.start_span(name, kind, Some(parent))
    }

    /// Starts a span below `parent`; without a valid one it makes a new trace.
    #[inline(always)]
    pub(crate) fn start_span(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
    ) -> Span {
        if is_suppressed() {
            return suppressed();
        }
        self.start_unsuppressed(name, kind, parent)
    }

    /// As [`start_span`](Self::start_span), if the caller knows that the context does not suppress spans.
    #[inline(always)]
    pub(crate) fn start_unsuppressed(
        &self,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
    ) -> Span {
        self.start(self.parameters(name, kind, parent))
    }

    /// Records and ends `span` as a span of this tracer's scope, at its own end time or now. The limits,
    /// the budget and the ledger apply to it as to any span.
    ///
    /// The call does not change the span, which the caller can return to its pool.
    ///
    /// # Errors
    /// It has no trace id or no span id.
    ///
    /// # Cost
    /// The call writes all fields to bytes; it does not allocate once the process is warm.
    pub fn finish_pooled(&self, span: &PooledSpan) -> Result<Finished, FinishError> {
        finish_pooled(&self.core, self.scope.index, span)
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    #[inline(always)]
    pub(super) fn parameters<'a>(
        &'a self,
        name: &'a str,
        kind: SpanKind,
        parent: Option<&'a SpanContext>,
    ) -> SpanParameters<'a> {
        let scope = &self.scope;
        SpanParameters { scope, name, kind, parent, start_time: None, attributes: &None }
    }

    #[inline(always)]
    pub(super) fn start(&self, span: SpanParameters<'_>) -> Span {
        if !self.core.queue.is_accepting() {
            return self.start_native_checked(Moved(span));
        }
        decide(&self.core, span, Recorder(&self.core))
    }

    /// [`start_checked`](Self::start_checked) for a span without a builder and a context.
    #[inline(never)]
    fn start_native_checked(&self, Moved(parameters): Moved<'_>) -> Span {
        if let Some(metrics) = self.core.metrics_alone() {
            return self.start_and_measure(metrics, parameters);
        }
        let parent = parameters.parent;
        let mut span = self.start_checked(Moved(parameters));
        if span.is_observed() {
            self.on_start(&mut span, &context_below(parent));
        }
        span
    }

    /// Starts a span while the queue accepts none without a check. Not a cold function: an overloaded
    /// program starts all its spans here.
    #[inline(never)]
    fn start_checked(&self, Moved(span): Moved<'_>) -> Span {
        if self.core.span_metrics.is_none() {
            return self.start_timed(Moved(span));
        }
        if let Some(metrics) = self.core.metrics_alone() {
            return self.start_and_measure(metrics, span);
        }
        self.start_measured(Moved(span))
    }

    /// Starts a span that nothing but metrics checks.
    #[inline(always)]
    fn start_and_measure(&self, metrics: &SpanMetricsRecorder, span: SpanParameters<'_>) -> Span {
        let measured = measured(&span);
        let mut span = decide(&self.core, span, Recorder(&self.core));
        span.measure(&self.core, metrics, measured);
        span
    }

    /// Starts a span that metrics count, and that processors, tail sampling or a full queue may change.
    #[inline(never)]
    fn start_measured(&self, Moved(span): Moved<'_>) -> Span {
        let (is_measured, measured) = (self.core.generates_ids(), measured(&span));
        let mut span = self.start_timed(Moved(span));
        if let (true, Some(metrics)) = (is_measured, &self.core.span_metrics) {
            span.measure(&self.core, metrics, measured);
        }
        span
    }

    /// [`start_checked`](Self::start_checked) without metrics of spans.
    #[inline]
    fn start_timed(&self, Moved(span): Moved<'_>) -> Span {
        let core = &self.core;
        let timed = core.creation.begin(&core.queue);
        let mut span = match timed.is_some() && core.queue.is_accepting() {
            true => decide(core, span, Recorder(core)),
            false => self.start_unmeasured(Moved(span)),
        };
        if core.redaction.is_some() {
            span.redact();
        }
        if let Some(timed) = timed {
            timed.end(&core.queue);
        }
        span
    }

    /// [`start_timed`](Self::start_timed) without a measurement.
    #[inline(never)]
    fn start_unmeasured(&self, Moved(span): Moved<'_>) -> Span {
        if self.core.is_disabled() {
            // The provider's processors may observe the spans of other tracers.
            return self.start_unrecorded(Moved(span));
        }
        let processors = self.provider.processors.as_deref();
        let sheds = self.core.queue.sheds_by_trace() && self.core.is_running();
        if processors.is_some_and(|processors| processors.observes_now()) {
            let target = ObservedSpans(&self.core);
            return if sheds {
                self.start_admitted(Moved(span), target)
            } else {
                decide(&self.core, span, target)
            };
        }
        if self.core.records_all {
            return self.start_for_tail(Moved(span), sheds);
        }
        if sheds {
            return self.start_admitted(Moved(span), Recorder(&self.core));
        }
        if !self.core.is_running() {
            return self.start_unrecorded(Moved(span));
        }
        let checks = processors.is_some() || self.core.span_metrics.is_some();
        let checks = checks || self.core.redaction.is_some();
        if (checks && !self.core.queue.is_refusing()) || self.core.queue.accepts_starts() {
            // A processor starts this span, or each is measured or redacted, or the start of another thread was to be timed.
            return decide(&self.core, span, Recorder(&self.core));
        }
        decide(&self.core, span, RefusedSpans(&self.core))
    }

    /// Starts a span of a provider with tail sampling: it is recorded, sampled or not.
    fn start_for_tail(&self, Moved(span): Moved<'_>, sheds: bool) -> Span {
        if sheds {
            return self.start_admitted(Moved(span), LocalSpans(&self.core));
        }
        if !self.core.is_running() {
            return self.start_unrecorded(Moved(span));
        }
        if self.core.queue.is_refusing() {
            return decide(&self.core, span, RefusedSpans(&self.core));
        }
        decide(&self.core, span, LocalSpans(&self.core))
    }

    /// Starts a span while the queue sheds traces: after the sampler, the queue decides about local roots.
    #[inline(never)]
    fn start_admitted<T>(&self, Moved(span): Moved<'_>, target: T) -> Span
    where
        T: StartSpan<Started = Span>,
    {
        let shedding = Shedding::new(&self.core, span.parent);
        decide(&self.core, span, AdmittedSpans { core: &self.core, shedding, target })
    }

    /// Starts a non-recording span.
    ///
    /// With the exporter `none` the span has ids and the sampler decides its flag, for propagation and
    /// for logs; the provider neither records nor counts it. After a shutdown, when disabled, or in a
    /// forked child without a worker, the span has the context of its parent.
    #[cold]
    #[inline(never)]
    fn start_unrecorded(&self, Moved(span): Moved<'_>) -> Span {
        match self.core.phase() {
            Phase::NotExporting => return decide(&self.core, span, Propagator),
            Phase::WorkerTerminated => {
                let parent = span.parent.filter(|parent| parent.is_valid());
                let is_remote = parent.is_some_and(SpanContext::is_remote);
                let origin = ParentOrigin::new(parent.is_some(), is_remote);
                self.core.ledger.dropped_at_start_from(origin, DropReason::WorkerUnavailable);
            }
            _ => {}
        }
        self.provider.not_recorded();
        Span::from_context(span.parent.cloned().unwrap_or(SpanContext::NONE))
    }

    /// Passes a started span to the processors.
    #[cold]
    #[inline(never)]
    fn on_start(&self, span: &mut Span, parent_cx: &Context) {
        if let Some(processors) = &self.provider.processors {
            processors.on_start(span, parent_cx);
        }
    }
}

/// The parameters, moved into a cold function. The new type makes a copy for that call: a call with
/// their own address would make the hot path store them in memory too.
struct Moved<'a>(SpanParameters<'a>);

impl opentelemetry::trace::Tracer for Tracer {
    type Span = Span;

    /// The API calls this while it borrows the current context, so this attaches no context and drops no
    /// guard.
    #[inline(always)]
    fn build_with_context(&self, mut builder: SpanBuilder, parent_cx: &Context) -> Span {
        if parent_cx.is_telemetry_suppressed() {
            return suppressed();
        }
        let parent_span = parent_cx.has_active_span().then(|| parent_cx.span());
        let parent = parent_span.as_ref().map(|span| span.span_context());
        let kind = builder.span_kind.as_ref().map_or(SpanKind::Internal, SpanKind::from);
        let parameters = SpanParameters {
            scope: &self.scope,
            name: &builder.name,
            kind,
            parent,
            start_time: builder.start_time,
            attributes: &builder.attributes,
        };
        // The flag is known to be false behind the usual start, so that the check at the end is part of the
        // other path.
        let is_observed;
        let mut span = if self.core.queue.is_accepting() {
            is_observed = false;
            decide(&self.core, parameters, Recorder(&self.core))
        } else {
            let span = self.start_checked(Moved(parameters));
            is_observed = span.is_observed();
            span
        };
        if let Some(attributes) = builder.attributes.take() {
            span.put_attributes(attributes);
        }
        let bare = builder.events.is_none()
            && builder.links.is_none()
            && matches!(builder.name, Cow::Borrowed(_));
        if bare {
            // The value owns nothing here; without `forget` its drop would check that.
            std::mem::forget(builder);
        } else {
            fill(&mut span, builder);
        }
        if is_observed {
            self.on_start(&mut span, parent_cx);
        }
        span
    }
}

/// The part of the parameters that metrics need.
#[inline(always)]
fn measured<'a>(span: &SpanParameters<'a>) -> MeasuredStart<'a> {
    let SpanParameters { scope, name, kind, start_time, .. } = *span;
    MeasuredStart { name, kind, scope: scope.index, start_time }
}

/// The span of a context that suppresses telemetry.
#[cold]
pub(crate) fn suppressed() -> Span {
    Span::from_context(SpanContext::NONE)
}

/// Writes the builder's events and links.
#[inline(never)]
fn fill(span: &mut Span, builder: SpanBuilder) {
    if !span.is_recording() {
        return;
    }
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
        f.debug_struct("Tracer").field("scope", &self.scope.name).finish_non_exhaustive()
    }
}
