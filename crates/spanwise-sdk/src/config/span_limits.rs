//! Span limits: `OTEL_SPAN_*_LIMIT` and `OTEL_*_ATTRIBUTE_COUNT_LIMIT`.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use spanwise_wire::SpanLimits;

impl SpanwiseBuilder {
    /// The limits of a span, which has at most `max` bytes with this budget and request size.
    pub(super) fn span_limits(
        &self,
        environment: &Environment,
        max: usize,
    ) -> Result<SpanLimits, BuildError> {
        if let Some(mut limits) = self.limits {
            if limits.span_bytes == SpanLimits::default().span_bytes {
                // The default is reduced to the space of this budget and request size.
                limits.span_bytes = limits.span_bytes.min(max);
            }
            if !(MIN_SPAN_BYTES..=max).contains(&limits.span_bytes) {
                return Err(BuildError::setting(
                    "with_span_limits, span_bytes",
                    limits.span_bytes,
                    format!(
                        "accepted is {MIN_SPAN_BYTES} to {max} with this budget and request size"
                    ),
                ));
            }
            return Ok(limits);
        }
        let count = |names: &[&'static str], default: u32| {
            environment
                .count(names)
                .map_or(default, |count| u32::try_from(count).unwrap_or(u32::MAX))
        };
        const ATTRIBUTES: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
        let mut limits = SpanLimits::default();
        limits.attributes =
            count(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes);
        limits.events = count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"], limits.events);
        limits.links = count(&["OTEL_SPAN_LINK_COUNT_LIMIT"], limits.links);
        limits.attributes_per_event =
            count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes_per_event);
        limits.attributes_per_link =
            count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes_per_link);
        limits.value_chars = environment
            .count(&["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
            .map_or(limits.value_chars, |chars| usize::try_from(chars).unwrap_or(usize::MAX));
        limits.span_bytes = limits.span_bytes.min(max);
        Ok(limits)
    }
}

const MIN_SPAN_BYTES: usize = 1 << 10;
