//! [`Tracer`]: starts spans, through the OpenTelemetry API or through methods of its own.

use super::decide::{SpanParameters, StartSpan, decide};
use super::scopes::TracerScope;
use super::suppression::is_suppressed;
use crate::core::{Core, Phase};
use crate::end::{FinishError, Finished, finish_pooled};
use crate::lifecycle::Handle;
use crate::record::{Span, SpanStart};
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, TraceContextExt};
use spanwise_ledger::DropReason;
use spanwise_pool::PooledSpan;
use spanwise_wire::SpanKind;
use spanwise_worker::clock;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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
///     // A drop does not wait: this does, and returns the outcome of all spans.
///     println!("{}", spanwise.shutdown()?);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Tracer {
    pub(super) core: Arc<Core>,
    pub(super) scope: TracerScope,
    /// Keeps the provider running.
    pub(super) provider: Arc<Handle>,
}

impl Tracer {
    pub(crate) fn new(core: Arc<Core>, scope: u32, name: &str, provider: Arc<Handle>) -> Self {
        Self { core, scope: TracerScope { index: scope, name: name.into() }, provider }
    }

    /// Starts a span of a new trace.
    #[inline]
    pub fn root(&self, name: &str, kind: SpanKind) -> Span {
        if is_suppressed() {
            return suppressed();
        }
        self.start(self.parameters(name, kind, None))
    }

    /// Starts a span below `parent`; an invalid parent makes a new trace.
    #[inline]
    pub fn child(&self, name: &str, kind: SpanKind, parent: &SpanContext) -> Span {
        if is_suppressed() {
            return suppressed();
        }
        self.start(self.parameters(name, kind, Some(parent)))
    }

    /// Records `span` as a span of this tracer's scope that ends at its own end time, or now if it
    /// has none: under the same limits, budget and account as all others.
    ///
    /// The span is unchanged, and can be returned to its pool.
    ///
    /// # Errors
    /// It has no trace id or no span id.
    ///
    /// # Cost
    /// Its fields are written to bytes here, all at once; no allocation once warm.
    pub fn finish_pooled(&self, span: &PooledSpan) -> Result<Finished, FinishError> {
        finish_pooled(&self.core, self.scope.index, span)
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
    fn start(&self, span: SpanParameters<'_>) -> Span {
        if !self.core.is_running() {
            return self.start_unrecorded(Moved(span));
        }
        decide(&self.core, span, Recorder(&self.core))
    }

    /// No span is exported.
    ///
    /// With the exporter `none` a span has ids, and the sampler decides its flag, for propagation
    /// and for logs; it is not recorded and not counted. Disabled or shut down, or in a forked child
    /// without a worker, the parent's context passes through.
    #[cold]
    #[inline(never)]
    fn start_unrecorded(&self, Moved(span): Moved<'_>) -> Span {
        match self.core.phase() {
            Phase::NotExporting => return decide(&self.core, span, Propagator),
            Phase::WorkerTerminated => {
                self.core.ledger.started();
                self.core.ledger.dropped(DropReason::WorkerUnavailable, 1);
            }
            _ => {}
        }
        self.provider.not_recorded();
        Span::from_context(span.parent.cloned().unwrap_or(SpanContext::NONE))
    }
}

/// The parameters on their way to a cold function. A type of its own makes a copy for the call:
/// given by their own address, they would be stored in memory on the hot path too.
struct Moved<'a>(SpanParameters<'a>);

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
        let mut span = self.start(SpanParameters {
            scope: &self.scope,
            name: &builder.name,
            kind,
            parent,
            start_time: builder.start_time,
            attributes: &builder.attributes,
        });
        let bare = builder.attributes.is_none()
            && builder.events.is_none()
            && builder.links.is_none()
            && matches!(builder.name, Cow::Borrowed(_));
        if bare {
            // It owns nothing, but its drop would have to check that.
            std::mem::forget(builder);
        } else {
            fill(&mut span, builder);
        }
        span
    }
}

/// Counts spans and makes the records of those that are sampled.
struct Recorder<'a>(&'a Arc<Core>);

impl StartSpan for Recorder<'_> {
    type Started = Span;

    #[inline(always)]
    fn start(self, start: SpanStart<'_>) -> Span {
        let Self(core) = self;
        if !start.flags.is_sampled() {
            core.ledger.sampled_out();
            return Span::non_recording(start);
        }
        core.ledger.started();
        Span::start(core, start)
    }
}

/// Makes spans that are neither recorded nor counted.
struct Propagator;

impl StartSpan for Propagator {
    type Started = Span;

    fn start(self, start: SpanStart<'_>) -> Span {
        Span::non_recording(start)
    }
}

/// The context suppresses telemetry.
#[cold]
fn suppressed() -> Span {
    Span::from_context(SpanContext::NONE)
}

/// Writes the builder's attributes, events and links.
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
        f.debug_struct("Tracer").field("scope", &self.scope.name).finish_non_exhaustive()
    }
}
