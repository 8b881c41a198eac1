//! [`TraceIds`]: the ids of the current span in the lines of a log.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use spanwise_sdk::__private::is_context_readable;
use std::fmt;
use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Adds `trace_id`, `span_id` and `trace_flags` of the current span to each line of a format, with the names and texts that
/// OpenTelemetry defines for log formats other than OTLP. A line outside of spans does not change.
///
/// ```
/// # use spanwise_tracing::TraceIds;
/// use tracing_subscriber::fmt::{self, format};
/// use tracing_subscriber::prelude::*;
///
/// let text = fmt::layer().event_format(TraceIds::new(format().compact()));
/// let _subscriber = tracing_subscriber::registry().with(text);
/// ```
///
/// The ids are those of `opentelemetry::Context::current()`, which a [`SpanwiseLayer`](crate::SpanwiseLayer) sets unless
/// [`with_context_activation`](crate::SpanwiseLayer::with_context_activation) is off. The wrapped format writes into memory: its own
/// [`with_ansi`](tracing_subscriber::fmt::format::Format::with_ansi) decides about colours, and by default there are none.
///
/// # Cost
/// One allocation for each line inside of a span, and with colours for any other.
#[derive(Debug, Clone)]
pub struct TraceIds<F> {
    format: F,
    is_json: bool,
}

impl<F> TraceIds<F> {
    /// Adds the ids at the end of each line of `format`.
    pub fn new(format: F) -> Self {
        Self { format, is_json: false }
    }

    /// Adds the ids as the first members of each object, for a `format` whose lines are JSON objects.
    pub fn json(format: F) -> Self {
        Self { format, is_json: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for TraceIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let ids = current_ids();
        // Lines outside of spans have no other colours than those inside.
        if ids.is_none() && !writer.has_ansi_escapes() {
            return self.format.format_event(ctx, writer, event);
        }
        // Code of the program formats its fields: no borrow of the current context is held.
        let mut line = String::with_capacity(LINE_BYTES);
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        match (&ids, line.strip_prefix('{').filter(|_| self.is_json)) {
            (None, _) => writer.write_str(&line),
            (Some(ids), Some(rest)) => write_json(&mut writer, ids, rest),
            (Some(ids), None) => write_text(&mut writer, ids, &line),
        }
    }
}

fn current_ids() -> Option<SpanContext> {
    if !is_context_readable() {
        return None;
    }
    Context::map_current(|current| {
        let ids = current.span().span_context().clone();
        ids.is_valid().then_some(ids)
    })
}

fn write_text(writer: &mut Writer<'_>, ids: &SpanContext, line: &str) -> fmt::Result {
    let text = line.trim_end_matches('\n');
    let (trace_id, span_id, flags) = (ids.trace_id(), ids.span_id(), ids.trace_flags());
    write!(writer, "{text} trace_id={trace_id} span_id={span_id} trace_flags={flags:02x}")?;
    writer.write_str(line.get(text.len()..).unwrap_or_default())
}

/// Writes an object whose further members and end are `rest`.
fn write_json(writer: &mut Writer<'_>, ids: &SpanContext, rest: &str) -> fmt::Result {
    let (trace_id, span_id, flags) = (ids.trace_id(), ids.span_id(), ids.trace_flags());
    write!(
        writer,
        r#"{{"trace_id":"{trace_id}","span_id":"{span_id}","trace_flags":"{flags:02x}""#
    )?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    write!(writer, "{comma}{rest}")
}

/// Most lines are shorter.
const LINE_BYTES: usize = 256;
