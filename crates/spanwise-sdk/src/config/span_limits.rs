//! Span limits: `OTEL_SPAN_*_LIMIT` and `OTEL_*_ATTRIBUTE_COUNT_LIMIT`.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::recording_sdk::RecordingSdk;
use super::settings::{self, Setting};
use spanwise_wire::SpanLimits;

impl SpanwiseBuilder {
    /// The limits of a span, which has at most `max` bytes with this budget and request size.
    ///
    /// # Errors
    /// The limit of bytes in code is out of range.
    pub(super) fn span_limits(
        &self,
        environment: &Environment,
        max: usize,
    ) -> Result<SpanLimits, BuildError> {
        let limits = self.resolve_span_limits(environment, max)?;
        for (setting, limit) in [
            (&settings::ATTRIBUTES, limits.attributes as usize),
            (&settings::EVENTS, limits.events as usize),
            (&settings::LINKS, limits.links as usize),
            (&settings::EVENT_ATTRIBUTES, limits.attributes_per_event as usize),
            (&settings::LINK_ATTRIBUTES, limits.attributes_per_link as usize),
            (&settings::ATTRIBUTE_VALUE_LENGTH, limits.value_chars),
            (&settings::SPAN_BYTES, limits.span_bytes),
        ] {
            environment.effective(setting, || limit.to_string());
        }
        Ok(limits)
    }

    fn resolve_span_limits(
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
        if self.recording_sdk == RecordingSdk::StockSdk {
            return Ok(of_recorded_spans(environment, max));
        }
        let count = |setting: &Setting, default: u32| {
            environment
                .count(setting)
                .map_or(default, |count| u32::try_from(count).unwrap_or(u32::MAX))
        };
        let mut limits = SpanLimits::default();
        limits.attributes = count(&settings::ATTRIBUTES, limits.attributes);
        limits.events = count(&settings::EVENTS, limits.events);
        limits.links = count(&settings::LINKS, limits.links);
        limits.attributes_per_event =
            count(&settings::EVENT_ATTRIBUTES, limits.attributes_per_event);
        limits.attributes_per_link = count(&settings::LINK_ATTRIBUTES, limits.attributes_per_link);
        limits.value_chars = value_chars(environment, limits.value_chars);
        limits.span_bytes = limits.span_bytes.min(max);
        Ok(limits)
    }
}

/// The limits of a span whose attributes, events and links the stock SDK has counted. The stock SDK has no
/// limit of lengths.
fn of_recorded_spans(environment: &Environment, max: usize) -> SpanLimits {
    let limits = SpanLimits::default();
    SpanLimits::default()
        .with_attributes(u32::MAX)
        .with_events(u32::MAX)
        .with_links(u32::MAX)
        .with_attributes_per_event(u32::MAX)
        .with_attributes_per_link(u32::MAX)
        .with_value_chars(value_chars(environment, usize::MAX))
        .with_span_bytes(limits.span_bytes.min(max))
}

fn value_chars(environment: &Environment, default: usize) -> usize {
    environment
        .count(&settings::ATTRIBUTE_VALUE_LENGTH)
        .map_or(default, |chars| usize::try_from(chars).unwrap_or(usize::MAX))
}

const MIN_SPAN_BYTES: usize = 1 << 10;
