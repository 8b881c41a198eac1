//! Pooled spans, finished into the pipeline: data that was collected elsewhere, or late.

use crate::core::Phase;
use crate::host::SdkHost;
use crate::ids;
use crate::suppression::is_suppressed;
use crate::tracer::{RANDOM, Tracer};
use opentelemetry::trace::SpanContext;
use spanwise_ledger::Counter;
use spanwise_pool::{Pool, PooledSpan, Reset};
use spanwise_sampling::{ApiAttributes, SamplingParameters, parent_of, trace_state_of};
use spanwise_wire::write::{DroppedCounts, SpanHeader, SpanWriter};
use spanwise_wire::{
    Attribute, OwnedValue, SpanFlags, SpanId, SpanKind, SpanMeta, StatusCode, TraceFlags, TraceId,
};
use spanwise_worker::{catch_panic, clock, fork};
use std::fmt;
use std::sync::LazyLock;

/// What became of a pooled span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Finished {
    /// It is in the pipeline, or dropped and counted there like any other.
    Recorded,
    /// It is not sampled, and counted as that.
    SampledOut,
    /// The SDK is disabled or exports nothing, or was shut down before the span started.
    Disabled,
}

/// A pooled span that is no span yet. Nothing is recorded or counted.
///
/// `Debug` reads as `Display`, for a `main` that returns it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// No trace id.
    #[error("trace id is all zero; start the span with Tracer::start_pooled, or set one")]
    NoTraceId,
    /// No span id.
    #[error("span id is all zero; start the span with Tracer::start_pooled, or set one")]
    NoSpanId,
}

impl fmt::Debug for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Tracer {
    /// Makes `span` a new one: resets it, gives it ids, flags and trace state as the sampler says,
    /// and a start. Returns whether it is sampled. An invalid parent makes a new trace.
    ///
    /// Nothing is counted before [`finish_pooled`](Self::finish_pooled): a span that goes back to
    /// its pool instead has never been.
    pub fn start_pooled(
        &self,
        span: &mut PooledSpan,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
    ) -> bool {
        span.reset();
        span.name.push_str(name);
        span.kind = kind;
        if !self.core.generates_ids() {
            self.provider.not_recorded();
            return false;
        }
        let parent = parent.filter(|parent| parent.is_valid());
        let (trace_id, span_id) = ids::below(parent, fork::generation());
        (span.trace_id, span.span_id) = (TraceId(trace_id), SpanId(span_id));
        if let Some(parent) = parent {
            span.parent_span_id = parent.span_id().into();
            span.parent_is_remote = parent.is_remote();
        }
        let sampled = !is_suppressed() && self.decide(span, name, parent);
        let flags = parent.map_or(RANDOM, |parent| parent.trace_flags() & RANDOM);
        span.trace_flags = TraceFlags::from(flags).with_sampled(sampled);
        let start = clock::start();
        span.start_unix_nanos = start.unix_nanos;
        span.clock_start = [start.ticks, start.unix_nanos];
        sampled
    }

    /// Asks the sampler, and writes down what it says.
    fn decide(&self, span: &mut PooledSpan, name: &str, parent: Option<&SpanContext>) -> bool {
        let params = SamplingParameters {
            trace_id: span.trace_id.0,
            parent: parent.and_then(parent_of),
            name,
            kind: span.kind,
            scope: &self.scope_name,
            attributes: &ApiAttributes(&[]),
            host: &SdkHost,
        };
        let asked = catch_panic(|| {
            self.core.sampler.should_sample(&params, |decision| {
                if decision.malformed {
                    self.core.ledger.count(Counter::InvalidTraceState, 1);
                }
                if decision.randomness_assumed {
                    self.core.ledger.count(Counter::AssumedRandomness, 1);
                }
                let inherited = parent.map(SpanContext::trace_state);
                let edited = trace_state_of(inherited, &params, &decision);
                if let Some(trace_state) = edited.as_ref().or(inherited) {
                    span.trace_state.push_str(&trace_state.header());
                }
                for (key, value) in decision.annotations.attributes() {
                    span.set_attribute(key.to_owned(), OwnedValue::from(value));
                }
                decision.sampled
            })
        });
        asked.unwrap_or_else(|_| {
            self.core.ledger.count(Counter::SamplerPanicked, 1);
            parent.is_some_and(SpanContext::is_sampled)
        })
    }

    /// Records `span` as a span of this tracer's scope that ends where it says, or now if it does
    /// not say: under the same limits, budget and account as all others.
    ///
    /// The span is as it was, and can go back to its pool.
    ///
    /// # Errors
    /// It has no trace id or no span id.
    ///
    /// # Cost
    /// Its fields are written to bytes here, all at once; no allocation once warm.
    pub fn finish_pooled(&self, span: &PooledSpan) -> Result<Finished, FinishError> {
        let core = &self.core;
        let (trace_id, span_id) = (span.trace_id, span.span_id);
        if !core.is_running() {
            let phase = core.phase();
            if matches!(phase, Phase::Disabled | Phase::NotExporting) || !trace_id.is_valid() {
                return Ok(Finished::Disabled);
            }
        }
        if !trace_id.is_valid() {
            return Err(FinishError::NoTraceId);
        }
        if !span_id.is_valid() {
            return Err(FinishError::NoSpanId);
        }
        if !span.trace_flags.is_sampled() {
            core.ledger.sampled_out();
            return Ok(Finished::SampledOut);
        }
        core.ledger.started();
        let start = span.start_unix_nanos;
        let end = match span.end_unix_nanos {
            0 => {
                let [ticks, unix_nanos] = span.clock_start;
                clock::end(clock::Start { ticks, unix_nanos })
            }
            end => end,
        };
        if end < start {
            core.ledger.count(Counter::EndBeforeStart, 1);
        }
        let mut lent = WRITERS.acquire(Writer::default);
        let writer = &mut lent.0;
        self.write(writer, span);
        if !writer.is_plain() {
            core.note_losses(&writer.losses());
        }
        let status = writer.status_code();
        let header = SpanHeader {
            trace_id,
            span_id,
            parent_span_id: span.parent_span_id,
            kind: span.kind,
            start_unix_nanos: start,
            end_unix_nanos: end.max(start),
            flags: SpanFlags::new(span.trace_flags, span.parent_is_remote),
            trace_state: &span.trace_state,
        };
        let meta = SpanMeta::of(&header, self.scope, status);
        core.store(&writer.finish(&header), meta);
        Ok(Finished::Recorded)
    }

    fn write(&self, writer: &mut SpanWriter, span: &PooledSpan) {
        let limits = &self.core.limits;
        writer.begin(&span.name);
        for Attribute { key, value } in &span.attributes {
            writer.attribute(limits, key, value);
        }
        for event in span.events() {
            writer.event(limits, event.unix_nanos, event.name, pairs(event.attributes));
        }
        for link in span.links() {
            writer.link(limits, link.to, pairs(link.attributes));
        }
        match span.status {
            StatusCode::Unset => {}
            StatusCode::Ok => writer.status(limits, StatusCode::Ok, ""),
            StatusCode::Error => writer.status(limits, StatusCode::Error, &span.status_message),
        }
        writer.left_out(&DroppedCounts {
            attributes: span.dropped_attributes,
            events: span.dropped_events,
            links: span.dropped_links,
            truncated_values: 0,
        });
    }
}

fn pairs(attributes: &[Attribute]) -> impl Iterator<Item = (&str, &OwnedValue)> {
    attributes.iter().map(|Attribute { key, value }| (key.as_str(), value))
}

/// Memory to write a span to.
#[derive(Default)]
struct Writer(SpanWriter);

impl Reset for Writer {
    /// Nothing to clear: `begin` does.
    fn reset(&mut self) -> bool {
        self.0.capacity() <= KEEP_BYTES
    }
}

/// One is out only while a span is written.
static WRITERS: LazyLock<Pool<Writer>> = LazyLock::new(|| Pool::new(64));

/// Memory a resting writer may hold.
const KEEP_BYTES: usize = 8 * 1024;
