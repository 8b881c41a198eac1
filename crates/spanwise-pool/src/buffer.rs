use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::pool::limited;
use crate::{Pool, PoolStats, PooledOwned, Reset, Trimmed, limits};

/// Memory that bytes are written to: `Vec<u8>` or [`BytesMut`].
pub trait Buffer: Reset + AsRef<[u8]> + Send + Sync + Sized + 'static {
    /// An empty buffer with capacity for `bytes` bytes; of `Vec<u8>` and `BytesMut`, 64 MiB at most.
    fn with_capacity(bytes: usize) -> Self;

    /// Bytes that the buffer has capacity for now.
    fn capacity(&self) -> usize;

    /// Restores a capacity of `bytes` bytes without an allocation; whether that worked.
    fn try_reclaim(&mut self, bytes: usize) -> bool;

    /// Frees the capacity beyond `bytes` bytes, if possible. The buffer is empty when this is called.
    fn shrink_to(&mut self, bytes: usize);
}

impl Buffer for Vec<u8> {
    fn with_capacity(bytes: usize) -> Self {
        Vec::with_capacity(limits::max_reserved(bytes, 1))
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.capacity()
    }

    #[inline]
    fn try_reclaim(&mut self, bytes: usize) -> bool {
        self.capacity() >= bytes
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.shrink_to(bytes);
    }
}

impl Buffer for BytesMut {
    fn with_capacity(bytes: usize) -> Self {
        BytesMut::with_capacity(limits::max_reserved(bytes, 1))
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.capacity()
    }

    /// Reclaims the part that was split off, if it has no other owner.
    #[inline]
    fn try_reclaim(&mut self, bytes: usize) -> bool {
        self.try_reclaim(bytes)
    }

    /// `BytesMut` cannot shrink, so a new one replaces it.
    fn shrink_to(&mut self, bytes: usize) {
        if self.capacity() > bytes {
            *self = BytesMut::with_capacity(bytes);
        }
    }
}

/// A pool of byte buffers of one size, which return to the pool also as [`Bytes`].
///
/// [`freeze`](PooledBuffer::freeze) turns a filled buffer into `Bytes` without a copy; dropping
/// the last of these `Bytes` and their slices, on any thread, releases the memory to the pool.
#[derive(Debug)]
pub struct BufferPool<B: Buffer = Vec<u8>> {
    pool: Arc<Pool<Bounded<B>>>,
    bytes_each: usize,
}

/// The guard of a buffer acquired from a [`BufferPool`]; dropping it releases the buffer.
pub struct PooledBuffer<B: Buffer = Vec<u8>>(PooledOwned<Bounded<B>>);

/// A buffer that the pool retains while its capacity is between two bounds.
struct Bounded<B> {
    buffer: B,
    least: usize,
    most: usize,
}

impl<B: Buffer> BufferPool<B> {
    /// A pool of at most `capacity` buffers, idle and acquired, of `bytes_each` bytes, 64 MiB at most.
    /// A buffer that is released with less capacity, or with more than four times as much, is freed.
    /// The bound of `capacity` is that of a [`Pool`].
    pub fn new(capacity: usize, bytes_each: usize) -> Self {
        let bytes_each = limits::max_reserved(bytes_each, 1);
        BufferPool { pool: Arc::new(Pool::new(capacity)), bytes_each }
    }

    /// Retains buffers of at most `bytes` bytes together. By default only number and size limit them.
    ///
    /// Call this before the first buffer is acquired: buffers acquired earlier are freed on release, and
    /// [`stats`](Self::stats) omits them and the counts so far.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.pool = limited(self.pool, bytes);
        self
    }

    /// Acquires an empty buffer with capacity for at least the pool's `bytes_each`.
    ///
    /// # Cost
    /// As [`Pool::acquire_owned`].
    pub fn acquire(&self) -> PooledBuffer<B> {
        let (least, most) = (self.bytes_each, self.bytes_each.saturating_mul(4));
        let make = || Bounded { buffer: B::with_capacity(least), least, most };
        PooledBuffer(self.pool.acquire_owned(make))
    }

    /// As [`Pool::trim`]; buffers that have grown shrink to the size of a new one.
    pub fn trim(&self) -> Trimmed {
        self.pool.trim_with(|bounded| bounded.buffer.shrink_to(bounded.least))
    }

    /// As [`Pool::stats`].
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl<B: Buffer> PooledBuffer<B> {
    /// The written bytes as shareable, sliceable [`Bytes`]. Dropping the last one releases the memory.
    ///
    /// # Cost
    /// One allocation, of 40 bytes; nothing is copied.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Takes the buffer out of the pool permanently.
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

/// Prints the length only: the bytes may be secret.
impl<B: Buffer> fmt::Debug for PooledBuffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer").field("len", &self.as_ref().len()).finish_non_exhaustive()
    }
}

impl<B: Buffer> Reset for Bounded<B> {
    #[inline]
    fn reset(&mut self) -> bool {
        self.buffer.reset();
        self.buffer.try_reclaim(self.least) && self.buffer.capacity() <= self.most
    }

    #[inline]
    fn prepare(&mut self) {
        self.buffer.prepare();
    }

    #[inline]
    fn retained_bytes(&self) -> usize {
        self.buffer.capacity()
    }
}
