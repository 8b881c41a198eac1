//! Growing bytes with a cursor, for writers that reserve once and then store without checks.

use std::mem::ManuallyDrop;

/// An owned block of bytes. Its three pointers stay in registers: the slow path takes and returns
/// them by value.
pub struct Buffer {
    start: *mut u8,
    next: *mut u8,
    end: *mut u8,
}

// SAFETY: the block is owned, like that of a `Vec<u8>`.
unsafe impl Send for Buffer {}

impl Buffer {
    /// An empty buffer with space for `capacity` bytes.
    #[cold]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::of(Vec::with_capacity(capacity))
    }

    /// Bytes written so far.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.next as usize - self.start as usize
    }

    /// Bytes that fit before the block grows.
    #[inline(always)]
    pub fn spare(&self) -> usize {
        self.end as usize - self.next as usize
    }

    /// The bytes written so far.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: writers initialized everything between `start` and `next`.
        unsafe { std::slice::from_raw_parts(self.start, self.len()) }
    }

    /// Forgets the bytes; the block stays.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.next = self.start;
    }

    /// The place of the next byte, with space for `count` bytes.
    #[inline(always)]
    pub fn reserve(&mut self, count: usize) -> *mut u8 {
        if self.spare() < count {
            let grown = grow([self.start, self.next, self.end], count);
            [self.start, self.next, self.end] = grown;
        }
        self.next
    }

    /// Moves the cursor.
    ///
    /// # Safety
    /// `next` is inside of the reserved space, and the bytes before it are initialized.
    #[inline(always)]
    pub unsafe fn advance_to(&mut self, next: *mut u8) {
        self.next = next;
    }

    /// The first byte.
    #[inline(always)]
    pub fn start(&self) -> *const u8 {
        self.start
    }

    /// The block without its content.
    #[inline(always)]
    pub fn into_parts(self) -> [*mut u8; 2] {
        let this = ManuallyDrop::new(self);
        [this.start, this.end]
    }

    /// An empty buffer over the block.
    ///
    /// # Safety
    /// The parts come from [`Buffer::into_parts`] and are used once.
    #[inline(always)]
    pub unsafe fn from_parts(start: *mut u8, end: *mut u8) -> Self {
        Self { start, next: start, end }
    }

    fn of(bytes: Vec<u8>) -> Self {
        let [start, next, end] = parts(bytes);
        Self { start, next, end }
    }
}

impl Drop for Buffer {
    #[inline(always)]
    fn drop(&mut self) {
        free([self.start, self.next, self.end]);
    }
}

#[cold]
#[inline(never)]
fn grow(block: [*mut u8; 3], count: usize) -> [*mut u8; 3] {
    // SAFETY: the caller's three pointers are the parts of its vector, and it replaces them.
    let mut bytes = unsafe { vector(block) };
    bytes.reserve(count);
    parts(bytes)
}

#[cold]
#[inline(never)]
fn free(block: [*mut u8; 3]) {
    // SAFETY: the buffer that is dropped owns the vector.
    drop(unsafe { vector(block) });
}

fn parts(bytes: Vec<u8>) -> [*mut u8; 3] {
    let mut bytes = ManuallyDrop::new(bytes);
    let start = bytes.as_mut_ptr();
    // SAFETY: length and capacity of a vector are inside of its block.
    unsafe { [start, start.add(bytes.len()), start.add(bytes.capacity())] }
}

/// # Safety
/// The pointers come from [`parts`], and the caller uses the result instead of them.
unsafe fn vector([start, next, end]: [*mut u8; 3]) -> Vec<u8> {
    let (len, capacity) = (next as usize - start as usize, end as usize - start as usize);
    // SAFETY: these are the parts of a vector whose first `len` bytes are initialized.
    unsafe { Vec::from_raw_parts(start, len, capacity) }
}
