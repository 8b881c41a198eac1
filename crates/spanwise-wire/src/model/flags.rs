//! W3C trace flags, and the `flags` field of OTLP that contains them.

use std::fmt;

/// W3C trace flags: the last field of a `traceparent` header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct TraceFlags(pub u8);

impl TraceFlags {
    /// No flag is set.
    pub const NOT_SAMPLED: Self = Self(0);
    /// The span is sampled.
    pub const SAMPLED: Self = Self(0x01);
    /// The low 56 bits of the trace id are random (W3C Trace Context level 2).
    pub const RANDOM: Self = Self(0x02);

    /// Whether [`SAMPLED`](Self::SAMPLED) is set.
    #[inline(always)]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Whether [`RANDOM`](Self::RANDOM) is set.
    #[inline(always)]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// The same flags with [`SAMPLED`](Self::SAMPLED) set or cleared.
    #[inline(always)]
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & !Self::SAMPLED.0 | sampled as u8)
    }
}

impl From<u8> for TraceFlags {
    #[inline(always)]
    fn from(flags: u8) -> Self {
        Self(flags)
    }
}

impl From<TraceFlags> for u8 {
    #[inline(always)]
    fn from(flags: TraceFlags) -> Self {
        flags.0
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

/// `SpanFlags` of OTLP: the W3C trace flags in bits 0 to 7, and in bits 8 and 9 whether the parent
/// (of a link: the linked span) is remote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct SpanFlags(pub u32);

impl SpanFlags {
    /// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: [`IS_REMOTE`](Self::IS_REMOTE) is meaningful.
    pub const HAS_IS_REMOTE: Self = Self(0x100);
    /// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent or linked context is from another process.
    pub const IS_REMOTE: Self = Self(0x200);

    /// The flags of a span or link.
    #[inline(always)]
    pub const fn new(trace_flags: TraceFlags, is_remote: bool) -> Self {
        Self(trace_flags.0 as u32 | Self::remote(is_remote).0)
    }

    /// Bits 8 and 9 alone: the flags of a span whose trace flags are still unknown.
    #[inline(always)]
    pub const fn remote(is_remote: bool) -> Self {
        if is_remote {
            Self(Self::HAS_IS_REMOTE.0 | Self::IS_REMOTE.0)
        } else {
            Self::HAS_IS_REMOTE
        }
    }

    /// Bits 0 to 7 replaced by `trace_flags`.
    #[inline(always)]
    #[must_use]
    pub const fn with_trace_flags(self, trace_flags: TraceFlags) -> Self {
        Self(self.0 & !0xff | trace_flags.0 as u32)
    }

    /// Bits 0 to 7.
    #[inline(always)]
    pub const fn trace_flags(self) -> TraceFlags {
        TraceFlags(self.0 as u8)
    }

    /// Whether the parent or linked context is from another process; `None` if the sender did not
    /// record it.
    pub const fn is_remote(self) -> Option<bool> {
        if self.0 & Self::HAS_IS_REMOTE.0 == 0 {
            return None;
        }
        Some(self.0 & Self::IS_REMOTE.0 != 0)
    }
}

impl From<u32> for SpanFlags {
    #[inline(always)]
    fn from(flags: u32) -> Self {
        Self(flags)
    }
}

impl From<SpanFlags> for u32 {
    #[inline(always)]
    fn from(flags: SpanFlags) -> Self {
        flags.0
    }
}

impl fmt::Debug for SpanFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05x}", self.0)
    }
}
