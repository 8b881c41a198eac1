//! A span that arrives, parsed as far as its way needs.

use super::counts::TailDropReason;
use super::span_summary::SpanSummary;

/// An encoded span with its trace id. Most senders write the id first: a late span of a trace that was not sampled needs no more.
pub(crate) struct IncomingSpan<'a> {
    bytes: &'a [u8],
    trace_id: Result<[u8; 16], TailDropReason>,
    summary: Option<SpanSummary>,
}

impl<'a> IncomingSpan<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        match first_trace_id(bytes) {
            Some(trace_id) => Self { bytes, trace_id: Ok(*trace_id), summary: None },
            None => Self::read(bytes),
        }
    }

    #[inline(never)]
    fn read(bytes: &'a [u8]) -> Self {
        let summary = SpanSummary::read(bytes).ok();
        let trace_id = match &summary {
            None => Err(TailDropReason::Malformed),
            Some(summary) => summary.trace_id.ok_or(TailDropReason::InvalidId),
        };
        Self { bytes, trace_id, summary }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The trace id, or the reason why the span is dropped.
    #[inline]
    pub(crate) fn trace_id(&self) -> Result<[u8; 16], TailDropReason> {
        self.trace_id
    }

    /// The summary of the whole span.
    ///
    /// # Errors
    /// The span is malformed behind its trace id, or has another one there.
    pub(crate) fn summary(&mut self) -> Result<SpanSummary, TailDropReason> {
        let summary = match self.summary {
            Some(summary) => summary,
            None => SpanSummary::read(self.bytes).map_err(|_| TailDropReason::Malformed)?,
        };
        if summary.trace_id != self.trace_id.ok() {
            return Err(TailDropReason::Malformed);
        }
        Ok(*self.summary.insert(summary))
    }
}

/// The trace id with which most senders begin a span.
#[inline]
pub(crate) fn first_trace_id(span: &[u8]) -> Option<&[u8; 16]> {
    match span {
        [TRACE_ID, 16, rest @ ..] => rest.first_chunk(),
        _ => None,
    }
}

/// `Span.trace_id` as a key of wire type 2.
const TRACE_ID: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_wherever_it_stands() {
        let id = |byte: u8| [&[0x0a, 16][..], &[byte; 16]].concat();
        let name = [0x2a, 1, b'n'];
        let check = |bytes: &[u8], trace_id, parses| {
            let mut span = IncomingSpan::new(bytes);
            assert_eq!(span.trace_id(), trace_id, "{bytes:?}");
            assert_eq!(span.summary().map(|summary| summary.is_root), parses, "{bytes:?}");
        };
        let malformed = TailDropReason::Malformed;
        check(&[&id(7)[..], &name].concat(), Ok([7; 16]), Ok(true));
        check(&[&name[..], &id(7)].concat(), Ok([7; 16]), Ok(true));
        // The last of two ids counts, as in protobuf: the first one alone was read.
        check(&[id(7), id(8)].concat(), Ok([7; 16]), Err(malformed));
        check(&[&name[..], &id(7), &id(8)].concat(), Ok([8; 16]), Ok(true));
        check(&[&id(7)[..], &[0x2a, 9]].concat(), Ok([7; 16]), Err(malformed));
        check(&[0x2a, 9], Err(malformed), Err(malformed));
        check(&[0x0a, 16, 1], Err(malformed), Err(malformed));
        check(&[0x0a, 2, 1, 1], Err(TailDropReason::InvalidId), Ok(true));
        check(&name, Err(TailDropReason::InvalidId), Ok(true));
    }
}
