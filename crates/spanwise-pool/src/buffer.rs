use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::pool::limited;
use crate::{Pool, PoolStats, PooledOwned, Reset, Trimmed, limits};

/// Memory that bytes are written to: `Vec<u8>` or [`BytesMut`].
pub trait Buffer: Reset + AsRef<[u8]> + Send + Sync + Sized + 'static {
    /// An empty buffer with room for so many bytes; of `Vec<u8>` and `BytesMut`, 64 MiB at most.
    fn with_capacity(bytes: usize) -> Self;

    /// How many bytes it has room for now.
    fn room(&self) -> usize;

    /// Makes it have room for so many bytes again without an allocation, if it can.
    fn regain(&mut self, bytes: usize) -> bool;

    /// Gives back room beyond so many bytes, if it can. It is empty then.
    fn shrink(&mut self, bytes: usize);
}

impl Buffer for Vec<u8> {
    fn with_capacity(bytes: usize) -> Self {
        Vec::with_capacity(limits::room(bytes, 1))
    }

    #[inline]
    fn room(&self) -> usize {
        self.capacity()
    }

    #[inline]
    fn regain(&mut self, bytes: usize) -> bool {
        self.capacity() >= bytes
    }

    fn shrink(&mut self, bytes: usize) {
        self.shrink_to(bytes);
    }
}

impl Buffer for BytesMut {
    fn with_capacity(bytes: usize) -> Self {
        BytesMut::with_capacity(limits::room(bytes, 1))
    }

    #[inline]
    fn room(&self) -> usize {
        self.capacity()
    }

    /// Gets back what was split off, if nobody has it any more.
    #[inline]
    fn regain(&mut self, bytes: usize) -> bool {
        self.try_reclaim(bytes)
    }

    /// It cannot: a new one takes its place.
    fn shrink(&mut self, bytes: usize) {
        if self.capacity() > bytes {
            *self = BytesMut::with_capacity(bytes);
        }
    }
}

/// Buffers of one size that come home, also as [`Bytes`].
///
/// [`freeze`](PooledBuffer::freeze) turns a filled buffer into `Bytes` without a copy; when the
/// last of them and of their slices is dropped, on whatever thread, the memory is back here.
#[derive(Debug)]
pub struct BufferPool<B: Buffer = Vec<u8>> {
    pool: Arc<Pool<Bounded<B>>>,
    bytes_each: usize,
}

/// A buffer on loan from a [`BufferPool`], given back when dropped.
pub struct PooledBuffer<B: Buffer = Vec<u8>>(PooledOwned<Bounded<B>>);

/// A buffer that is kept while its room is between two bounds.
struct Bounded<B> {
    buffer: B,
    least: usize,
    most: usize,
}

impl<B: Buffer> BufferPool<B> {
    /// At most `capacity` buffers, at rest and on loan, of `bytes_each` bytes, 64 MiB at most. One
    /// that comes home with less, or with more than four times as much, is let go. `capacity` is
    /// bounded as that of a [`Pool`].
    pub fn new(capacity: usize, bytes_each: usize) -> Self {
        let bytes_each = limits::room(bytes_each, 1);
        BufferPool { pool: Arc::new(Pool::new(capacity)), bytes_each }
    }

    /// Retains buffers of at most `bytes` bytes together. Default: no limit but the one that follows
    /// from number and size.
    ///
    /// Meant for a pool that has lent nothing yet: buffers that are out now are freed on release,
    /// and neither they nor what was counted so far show in [`stats`](Self::stats).
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.pool = limited(self.pool, bytes);
        self
    }

    /// An empty buffer with room for at least the pool's `bytes_each`.
    ///
    /// # Cost
    /// As [`Pool::acquire_owned`].
    pub fn acquire(&self) -> PooledBuffer<B> {
        let (least, most) = (self.bytes_each, self.bytes_each.saturating_mul(4));
        let make = || Bounded { buffer: B::with_capacity(least), least, most };
        PooledBuffer(self.pool.acquire_owned(make))
    }

    /// As [`Pool::trim`]; and what has grown shrinks to the size of a new buffer.
    pub fn trim(&self) -> Trimmed {
        self.pool.trim_with(|bounded| bounded.buffer.shrink(bounded.least))
    }

    /// As [`Pool::stats`].
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl<B: Buffer> PooledBuffer<B> {
    /// What was written, as bytes to be shared and sliced. The last one sends the memory home.
    ///
    /// # Cost
    /// One allocation, of 40 bytes; nothing is copied.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Takes the buffer for good.
    pub fn into_inner(self) -> B {
        self.0.into_inner().buffer
    }
}

impl<B: Buffer> Deref for PooledBuffer<B> {
    type Target = B;

    #[inline(always)]
    fn deref(&self) -> &B {
        &self.0.buffer
    }
}

impl<B: Buffer> DerefMut for PooledBuffer<B> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut B {
        &mut self.0.buffer
    }
}

impl<B: Buffer> AsRef<[u8]> for PooledBuffer<B> {
    fn as_ref(&self) -> &[u8] {
        self.0.buffer.as_ref()
    }
}

/// Its length: the bytes are the user's.
impl<B: Buffer> fmt::Debug for PooledBuffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer").field("len", &self.as_ref().len()).finish_non_exhaustive()
    }
}

impl<B: Buffer> Reset for Bounded<B> {
    #[inline]
    fn reset(&mut self) -> bool {
        self.buffer.reset();
        self.buffer.regain(self.least) && self.buffer.room() <= self.most
    }

    #[inline]
    fn prepare(&mut self) {
        self.buffer.prepare();
    }

    #[inline]
    fn retained_bytes(&self) -> usize {
        self.buffer.room()
    }
}
