//! Pooled spans, finished into the pipeline: data that was collected elsewhere, or late.

use crate::core::Phase;
use crate::host::SdkHost;
use crate::ids;
use crate::suppression::is_suppressed;
use crate::tracer::{RANDOM, Tracer};
use opentelemetry::trace::SpanContext;
use spanwise_ledger::Counter;
use spanwise_pool::span::{self as data, Attribute};
use spanwise_pool::{Pool, PooledSpan, Reset};
use spanwise_sampling::{ApiAttributes, SamplingParameters, parent_of, trace_state_of};
use spanwise_wire::write::{
    Array, DroppedCounts, EncodeValue, FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, LinkedContext, Scalar,
    SpanHeader, SpanWriter, Value as WireValue,
};
use spanwise_wire::{SpanKind, SpanMeta, StatusCode};
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
        kind: data::SpanKind,
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
        span.trace_id = trace_id.to_be_bytes();
        span.span_id = span_id.to_be_bytes();
        if let Some(parent) = parent {
            span.parent_span_id = parent.span_id().to_bytes();
            span.parent_is_remote = parent.is_remote();
        }
        let sampled = !is_suppressed() && self.decide(span, name, parent);
        let flags = parent.map_or(RANDOM, |parent| parent.trace_flags() & RANDOM);
        span.trace_flags = flags.with_sampled(sampled).to_u8();
        let start = clock::start();
        span.start_unix_nanos = start.unix_nanos;
        span.clock_start = [start.ticks, start.unix_nanos];
        sampled
    }

    /// Asks the sampler, and writes down what it says.
    fn decide(&self, span: &mut PooledSpan, name: &str, parent: Option<&SpanContext>) -> bool {
        let params = SamplingParameters {
            trace_id: u128::from_be_bytes(span.trace_id),
            parent: parent.and_then(parent_of),
            name,
            kind: kind(span.kind),
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
                    span.set_attribute(key.to_owned(), owned(value));
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
        let trace_id = u128::from_be_bytes(span.trace_id);
        if !core.is_running() {
            let phase = core.phase();
            if matches!(phase, Phase::Disabled | Phase::NotExporting) || trace_id == 0 {
                return Ok(Finished::Disabled);
            }
        }
        let span_id = u64::from_be_bytes(span.span_id);
        if trace_id == 0 {
            return Err(FinishError::NoTraceId);
        }
        if span_id == 0 {
            return Err(FinishError::NoSpanId);
        }
        if span.trace_flags & SAMPLED == 0 {
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
            parent_span_id: u64::from_be_bytes(span.parent_span_id),
            kind: kind(span.kind),
            start_unix_nanos: start,
            end_unix_nanos: end.max(start),
            flags: u32::from(span.trace_flags) | remote(span.parent_is_remote),
            trace_state: &span.trace_state,
        };
        let meta = SpanMeta {
            trace_id,
            span_id,
            parent_span_id: header.parent_span_id,
            start_unix_nanos: start,
            duration_nanos: header.end_unix_nanos - start,
            scope: self.scope,
            status,
            kind: header.kind,
            trace_flags: span.trace_flags,
            ..SpanMeta::default()
        };
        core.store(&writer.finish(&header), meta);
        Ok(Finished::Recorded)
    }

    fn write(&self, writer: &mut SpanWriter, span: &PooledSpan) {
        let limits = &self.core.limits;
        writer.begin(&span.name);
        for Attribute { key, value } in &span.attributes {
            writer.attribute(limits, key, &Value(value));
        }
        for event in span.events() {
            writer.event(limits, event.unix_nanos, event.name, pairs(event.attributes));
        }
        for link in span.links() {
            let target = LinkedContext {
                trace_id: u128::from_be_bytes(link.to.trace_id),
                span_id: u64::from_be_bytes(link.to.span_id),
                flags: u32::from(link.to.trace_flags) | remote(link.to.is_remote),
                trace_state: &link.to.trace_state,
            };
            writer.link(limits, &target, pairs(link.attributes));
        }
        match span.status {
            data::Status::Unset => {}
            data::Status::Ok => writer.status(limits, StatusCode::Ok, ""),
            data::Status::Error => writer.status(limits, StatusCode::Error, &span.status_message),
        }
        writer.left_out(&DroppedCounts {
            attributes: span.dropped_attributes,
            events: span.dropped_events,
            links: span.dropped_links,
            truncated_values: 0,
        });
    }
}

/// A pooled span's value that knows its `AnyValue` message.
#[derive(Clone, Copy)]
struct Value<'a>(&'a data::Value);

/// Calls `$call` with `$inner` bound to something that is `EncodeValue`, for each kind of value.
macro_rules! each_kind {
    ($value:expr, $inner:ident => $call:expr) => {
        match $value {
            data::Value::Bool($inner) => $call,
            data::Value::I64($inner) => $call,
            data::Value::F64($inner) => $call,
            data::Value::Bytes(bytes) => {
                let $inner = bytes.as_slice();
                $call
            }
            data::Value::Array(items) => {
                let $inner = Array(items.iter().map(Value));
                $call
            }
            data::Value::Text(text) => {
                let $inner = text.as_str();
                $call
            }
            data::Value::Absent => {
                let $inner = None::<bool>;
                $call
            }
            // A kind we do not know yet is written as its text.
            other => {
                let text = format!("{other:?}");
                let $inner = text.as_str();
                $call
            }
        }
    };
}

impl EncodeValue for Value<'_> {
    fn encoded_len(&self, max_chars: usize) -> usize {
        each_kind!(self.0, value => value.encoded_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        each_kind!(self.0, value => value.encode(max_chars, out));
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        each_kind!(self.0, value => value.is_truncated(max_chars))
    }

    fn as_scalar(&self) -> Scalar<'_> {
        match self.0 {
            data::Value::Text(text) => Scalar::Text(text.as_str()),
            data::Value::I64(value) => Scalar::Int(*value),
            data::Value::Bool(value) => Scalar::Bool(*value),
            data::Value::F64(value) => Scalar::Double(*value),
            data::Value::Absent => Scalar::Absent,
            _ => Scalar::Other,
        }
    }
}

/// A sampler's word, as data.
fn owned(value: WireValue<'_>) -> data::Value {
    fn array<T: Copy + Into<data::Value>>(items: &[T]) -> data::Value {
        data::Value::Array(items.iter().map(|&item| item.into()).collect())
    }
    match value {
        WireValue::Str(text) => text.to_owned().into(),
        WireValue::Bool(value) => value.into(),
        WireValue::I64(value) => value.into(),
        WireValue::F64(value) => value.into(),
        WireValue::Bytes(bytes) => bytes.to_vec().into(),
        WireValue::Strs(items) => {
            data::Value::Array(items.iter().map(|&item| item.to_owned().into()).collect())
        }
        WireValue::Bools(items) => array(items),
        WireValue::I64s(items) => array(items),
        WireValue::F64s(items) => array(items),
        WireValue::U64(value) => value.into(),
        WireValue::Strings(items) => items.to_vec().into(),
        WireValue::Char(value) => value.into(),
        WireValue::Absent => data::Value::Absent,
        // A kind we do not know yet is written as its text.
        other => format!("{other:?}").into(),
    }
}

fn pairs(attributes: &[Attribute]) -> impl Iterator<Item = (&str, Value<'_>)> {
    attributes.iter().map(|Attribute { key, value }| (key.as_str(), Value(value)))
}

fn kind(kind: data::SpanKind) -> SpanKind {
    match kind {
        data::SpanKind::Internal => SpanKind::Internal,
        data::SpanKind::Server => SpanKind::Server,
        data::SpanKind::Client => SpanKind::Client,
        data::SpanKind::Producer => SpanKind::Producer,
        data::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn remote(is_remote: bool) -> u32 {
    if is_remote { FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE } else { FLAG_HAS_IS_REMOTE }
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
/// W3C trace flags: sampled.
const SAMPLED: u8 = 0x01;
