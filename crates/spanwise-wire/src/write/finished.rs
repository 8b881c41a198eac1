//! A finished span: the header fields, which are known at the end, and the bytes written before.

use super::raw::RawWriter;
use crate::model::{SpanFlags, SpanId, SpanKind, TraceId};

/// A complete `Span` message of known length: the result of
/// [`SpanWriter::finish`](super::SpanWriter::finish), whose header is still numbers, or bytes encoded
/// elsewhere.
///
/// The message is assembled in its destination. If the header went to the writer's own buffer first,
/// it would be copied again at once, and that copy would wait for the stores to retire.
#[derive(Clone, Copy)]
#[must_use]
pub struct FinishedSpan<'a> {
    /// `None` when `body` is the whole message.
    pub(super) header: Option<&'a SpanHeader>,
    /// Every other field.
    pub(super) body: &'a [u8],
}

/// The fields of a span that are known when it ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanHeader {
    /// Trace id.
    pub trace_id: TraceId,
    /// Span id.
    pub span_id: SpanId,
    /// Span id of the parent; [`SpanId::INVALID`], which is not written, for a root.
    pub parent_span_id: SpanId,
    /// Kind.
    pub kind: SpanKind,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// End, nanoseconds since the Unix epoch.
    pub end_unix_nanos: u64,
    /// W3C trace flags, and whether the parent is remote.
    pub flags: SpanFlags,
}

impl<'a> FinishedSpan<'a> {
    /// A whole `Span` message, encoded elsewhere.
    pub fn encoded(message: &'a [u8]) -> Self {
        Self { header: None, body: message }
    }

    /// The fields that are encoded already, as a `Span` message: all, or all but those of the
    /// [header](SpanHeader).
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The same span with other encoded fields: those of [`body`](Self::body), changed.
    pub fn with_body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    /// Exact length of the message in bytes.
    #[inline(always)]
    pub fn encoded_len(&self) -> usize {
        let header = match self.header {
            None => 0,
            Some(header) if !header.parent_span_id.is_valid() => HEADER_LEN,
            Some(_) => HEADER_LEN + PARENT_LEN,
        };
        header + self.body.len()
    }

    /// The `Span` message in a buffer of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RawWriter::new(&mut out, self.encoded_len());
        // SAFETY: `writer` has space for `encoded_len` bytes.
        unsafe { self.put(&mut writer) };
        writer.done();
        out
    }

    /// Stores the message.
    ///
    /// # Safety
    /// `writer` has space for [`encoded_len`](Self::encoded_len) bytes.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, writer: &mut RawWriter<'_>) {
        // SAFETY: 18 + 10 + 9 + 9 + 2 + 6 = HEADER_LEN bytes, PARENT_LEN more, and the body: `self`
        // borrows all of them, so none has changed since `encoded_len`.
        unsafe {
            if let Some(header) = self.header {
                // The fields that siblings share are one match for a compressor, and one run of bytes
                // follows that no other span has: zstd makes requests 2 to 3 % smaller.
                writer.array([KIND, header.kind as u8]);
                writer.array(FLAGS);
                writer.array(header.flags.0.to_le_bytes());
                writer.array([TRACE_ID, 16]);
                writer.array(header.trace_id.to_bytes());
                if header.parent_span_id.is_valid() {
                    writer.array([PARENT_SPAN_ID, 8]);
                    writer.array(header.parent_span_id.to_bytes());
                }
                writer.array([SPAN_ID, 8]);
                writer.array(header.span_id.to_bytes());
                writer.array([START]);
                writer.array(header.start_unix_nanos.to_le_bytes());
                writer.array([END]);
                writer.array(header.end_unix_nanos.to_le_bytes());
            }
            writer.slice(self.body);
        }
    }
}

/// A whole `Span` message: bytes, or a [`FinishedSpan`].
pub trait EncodeSpan: sealed::Sealed {
    /// The message. The crate calls this once per use, because `as_ref` of a foreign type may return other
    /// bytes on each call.
    fn as_finished(&self) -> FinishedSpan<'_>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::FinishedSpan<'_> {}
    impl<T: AsRef<[u8]> + ?Sized> Sealed for T {}
}

impl EncodeSpan for FinishedSpan<'_> {
    #[inline(always)]
    fn as_finished(&self) -> FinishedSpan<'_> {
        *self
    }
}

impl<T: AsRef<[u8]> + ?Sized> EncodeSpan for T {
    #[inline]
    fn as_finished(&self) -> FinishedSpan<'_> {
        FinishedSpan::encoded(self.as_ref())
    }
}

/// Bytes of the fields of every span.
const HEADER_LEN: usize = 18 + 10 + 9 + 9 + 2 + 6;
/// Bytes of the additional field of a child span.
const PARENT_LEN: usize = 10;

// Keys of `Span`'s fields (`opentelemetry/proto/trace/v1/trace.proto`): number << 3 | wire type.
const TRACE_ID: u8 = 0x0a;
const SPAN_ID: u8 = 0x12;
const PARENT_SPAN_ID: u8 = 0x22;
const KIND: u8 = 0x30;
const START: u8 = 0x39;
const END: u8 = 0x41;
const FLAGS: [u8; 2] = [0x85, 0x01];
