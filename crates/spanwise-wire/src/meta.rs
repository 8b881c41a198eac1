//! What is known of an encoded span without looking into its bytes.

/// The facts decisions are made from — batching by scope, tail policies, metrics — beside the
/// encoded span they describe. One cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanMeta {
    /// Trace id; its big-endian bytes are the ones on the wire.
    pub trace_id: u128,
    /// Span id; its big-endian bytes are the ones on the wire.
    pub span_id: u64,
    /// Span id of the parent, 0 for a root.
    pub parent_span_id: u64,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// End − start in nanoseconds.
    pub duration_nanos: u64,
    /// Where the span's field starts in its chunk's bytes.
    pub offset: u32,
    /// Length of the whole field: tag, length and span message.
    pub len: u32,
    /// Index of the instrumentation scope in the tracer provider's table.
    pub scope: u32,
    /// [`StatusCode`].
    pub status: StatusCode,
    /// [`SpanKind`].
    pub kind: SpanKind,
    /// W3C trace flags (bit 0 sampled, bit 1 random).
    pub trace_flags: u8,
}

/// `Status.StatusCode` of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum StatusCode {
    /// Nothing was said.
    #[default]
    Unset = 0,
    /// The operation succeeded, says the application.
    Ok = 1,
    /// The operation failed.
    Error = 2,
}

/// `Span.SpanKind` of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum SpanKind {
    /// Work inside the service.
    #[default]
    Internal = 1,
    /// The receiving side of a request.
    Server = 2,
    /// The sending side of a request.
    Client = 3,
    /// Hands a message to a broker.
    Producer = 4,
    /// Takes a message from a broker.
    Consumer = 5,
}

const _: () = assert!(size_of::<SpanMeta>() == 64);
