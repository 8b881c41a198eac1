//! Requests in, requests of the sampled spans out.

use std::fmt;

use spanwise_wire::read::{Field, FieldValue, Fields, SpanView, TraceRequest, WireError};
use spanwise_wire::write::put_varint;

use super::config::{ProbabilisticSamplerConfig, ProbabilisticSamplerError};
use super::counts::ProbabilisticSamplerCounts;
use super::mode::Mode;
use crate::outgoing_trace_state::{OutgoingSpan, TraceStateWriter};

/// Samples a percentage of traces by the decisions of the Collector's processor `probabilistic_sampler`: span by span, without waiting
/// for a trace.
///
/// ```
/// use spanwise_tail::{ProbabilisticSampler, ProbabilisticSamplerConfig, SamplerMode};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ProbabilisticSamplerConfig::default()
///     .with_sampling_percentage(25.0)
///     .with_mode(SamplerMode::Equalizing);
/// let mut sampler = ProbabilisticSampler::new(&config)?;
/// // resource_spans { scope_spans { spans { trace_id, span_id } } }
/// let mut request = vec![10, 30, 18, 28, 18, 26, 10, 16];
/// request.extend([0xff; 16]);
/// request.extend([18, 6, 1, 2, 3, 4, 5, 6]);
/// let mut sampled = Vec::new();
/// assert_eq!(sampler.sample(&request, &mut sampled)?, 1);
/// assert!(sampled.windows(7).any(|bytes| bytes == b"ot=th:c"));
/// # Ok(())
/// # }
/// ```
pub struct ProbabilisticSampler {
    mode: Mode,
    fail_closed: bool,
    counts: ProbabilisticSamplerCounts,
    trace_states: TraceStateWriter,
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl ProbabilisticSampler {
    /// A sampler with these settings.
    ///
    /// # Errors
    /// The percentage is negative, not finite or below 2⁻⁵⁶, or the precision is not 1 to 14.
    pub fn new(config: &ProbabilisticSamplerConfig) -> Result<Self, ProbabilisticSamplerError> {
        config.check()?;
        Ok(Self {
            mode: Mode::new(config),
            fail_closed: config.fail_closed,
            counts: ProbabilisticSamplerCounts::default(),
            trace_states: TraceStateWriter::default(),
            resource: Vec::new(),
            scope: Vec::new(),
        })
    }

    /// The account of all requests.
    pub fn counts(&self) -> ProbabilisticSamplerCounts {
        self.counts
    }

    /// Appends the sampled spans of an `ExportTraceServiceRequest` to `out`, as a request with the same resources and scopes, and
    /// returns their number. Groups without a sampled span are left out. The trace state of a sampled span gets the threshold.
    ///
    /// # Errors
    /// The framing of groups and spans is malformed: no span is counted and nothing is appended. A span that is malformed inside is
    /// dropped and counted.
    ///
    /// # Cost
    /// Each span is read once; a sampled one is copied three times. Buffers of the size of a request are retained.
    pub fn sample(&mut self, request: &[u8], out: &mut Vec<u8>) -> Result<u64, WireError> {
        // The framing is checked as a whole, so that no error occurs behind a count.
        TraceRequest::new(request).count_spans()?;
        let mut sampled = 0;
        for (bytes, field) in WithBytes::new(request) {
            match field {
                Field { number: RESOURCE_SPANS, value: FieldValue::Bytes(group) } => {
                    let spans = self.sample_resource(group);
                    if spans > 0 {
                        put_message(out, RESOURCE_SPANS_KEY, &self.resource);
                    }
                    sampled += spans;
                }
                _ => out.extend_from_slice(bytes),
            }
        }
        Ok(sampled)
    }

    fn sample_resource(&mut self, group: &[u8]) -> u64 {
        self.resource.clear();
        let mut sampled = 0;
        for (bytes, field) in WithBytes::new(group) {
            match field {
                Field { number: SCOPE_SPANS, value: FieldValue::Bytes(group) } => {
                    let spans = self.sample_scope(group);
                    if spans > 0 {
                        put_message(&mut self.resource, SCOPE_SPANS_KEY, &self.scope);
                    }
                    sampled += spans;
                }
                _ => self.resource.extend_from_slice(bytes),
            }
        }
        sampled
    }

    fn sample_scope(&mut self, group: &[u8]) -> u64 {
        self.scope.clear();
        let mut sampled = 0;
        for (bytes, field) in WithBytes::new(group) {
            match field {
                Field { number: SPANS, value: FieldValue::Bytes(span) } => {
                    sampled += u64::from(self.sample_span(span));
                }
                _ => self.scope.extend_from_slice(bytes),
            }
        }
        sampled
    }

    /// Whether the span was sampled and appended.
    fn sample_span(&mut self, span: &[u8]) -> bool {
        self.counts.received_spans += 1;
        let Ok(view) = SpanView::parse(span) else {
            self.counts.malformed_spans += 1;
            return false;
        };
        let decision = self.mode.decide(&view, self.fail_closed);
        self.counts.failed_spans += u64::from(decision.has_failed);
        self.counts.add(decision.origin, decision.is_sampled);
        if !decision.is_sampled {
            return false;
        }
        let outgoing = match decision.member {
            Some((member, th)) => self.trace_states.set_member(span, |out| member.write(th, out)),
            None => OutgoingSpan::unchanged(span),
        };
        self.scope.push(SPANS_KEY);
        put_varint(&mut self.scope, outgoing.len() as u64);
        outgoing.write(&mut self.scope);
        true
    }
}

/// Without the buffers, which hold the spans of the last request.
impl fmt::Debug for ProbabilisticSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbabilisticSampler")
            .field("mode", &self.mode)
            .field("fail_closed", &self.fail_closed)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// The fields of a message, each with its bytes. Ends at the first error.
struct WithBytes<'a> {
    fields: Fields<'a>,
}

impl<'a> WithBytes<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self { fields: Fields::new(message) }
    }
}

impl<'a> Iterator for WithBytes<'a> {
    type Item = (&'a [u8], Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.fields.rest();
        let field = self.fields.next()?.ok()?;
        let len = before.len() - self.fields.rest().len();
        Some((before.get(..len)?, field))
    }
}

fn put_message(out: &mut Vec<u8>, key: u8, message: &[u8]) {
    out.push(key);
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

// opentelemetry/proto/trace/v1/trace.proto: fields of wire type 2.
const RESOURCE_SPANS: u32 = 1;
const RESOURCE_SPANS_KEY: u8 = 0x0a;
const SCOPE_SPANS: u32 = 2;
const SCOPE_SPANS_KEY: u8 = 0x12;
const SPANS: u32 = 2;
const SPANS_KEY: u8 = 0x12;
