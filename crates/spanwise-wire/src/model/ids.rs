//! Trace ids and span ids.

use std::fmt;

/// A trace id: 128 bits, not all zero (specification, *SpanContext*).
///
/// The number is the big-endian reading of the id's bytes. `Debug` and `Display` print the lower-case
/// hexadecimal digits of W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct TraceId(pub u128);

/// A span id: 64 bits, not all zero (specification, *SpanContext*). As the id of a parent,
/// [`INVALID`](Self::INVALID) marks a root span.
///
/// The number is the big-endian reading of the id's bytes. `Debug` and `Display` print the lower-case
/// hexadecimal digits of W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct SpanId(pub u64);

/// Implements what both ids have.
macro_rules! impl_id {
    ($name:ident, $number:ty, $bytes:literal) => {
        impl $name {
            /// The id of all zeros, which the specification defines as invalid.
            pub const INVALID: Self = Self(0);

            /// The id with these big-endian bytes.
            #[inline(always)]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(<$number>::from_be_bytes(bytes))
            }

            /// The id's big-endian bytes.
            #[inline(always)]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0.to_be_bytes()
            }

            /// Whether any bit is set.
            #[inline(always)]
            pub const fn is_valid(self) -> bool {
                self.0 != 0
            }
        }

        impl From<$number> for $name {
            #[inline(always)]
            fn from(id: $number) -> Self {
                Self(id)
            }
        }

        impl From<[u8; $bytes]> for $name {
            #[inline(always)]
            fn from(bytes: [u8; $bytes]) -> Self {
                Self::from_bytes(bytes)
            }
        }

        impl From<$name> for $number {
            #[inline(always)]
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<$name> for [u8; $bytes] {
            #[inline(always)]
            fn from(id: $name) -> Self {
                id.to_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = 2 * $bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

impl_id!(TraceId, u128, 16);
impl_id!(SpanId, u64, 8);
