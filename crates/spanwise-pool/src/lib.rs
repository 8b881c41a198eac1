// The README's example needs both features.
#![cfg_attr(all(feature = "interner", feature = "span"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "interner", feature = "span")),
    doc = "Bounded pools of objects and buffers."
)]
#![doc(test(attr(deny(warnings))))]
#![deny(unsafe_code)]

mod buffer;
mod cursor;
mod discarding;
#[cfg(feature = "interner")]
mod interner;
mod limits;
#[cfg(feature = "object-pool")]
pub mod object_pool;
mod pool;
mod pooled;
mod reset;
#[allow(unsafe_code)]
mod slot;
#[cfg(feature = "span")]
pub mod span;
mod stats;
mod sync;
mod tiered;

pub use buffer::{Buffer, BufferPool, PooledBuffer};
/// A frozen buffer: see [`PooledBuffer::freeze`].
pub use bytes::Bytes;
#[cfg(feature = "interner")]
pub use interner::{Interner, InternerStats};
pub use pool::Pool;
pub use pooled::{Pooled, PooledOwned};
pub use reset::Reset;
#[cfg(feature = "span")]
pub use span::{PooledSpan, SpanPool, TieredSpanPool};
pub use stats::{PoolStats, Trimmed};
pub use tiered::{TierObject, TierPooled, TieredPool};
