//! Unchecked appends to a reserved buffer: the only `unsafe` of this crate.
//!
//! A span has about twenty small pieces. A capacity check before each of them costs more than
//! writing them, so the writer reserves space for a group of pieces first and stores the pieces
//! without a check. `RawWriter` verifies the arithmetic: debug builds assert every store.

/// Writes to the reserved space for a known number of bytes at the end of a `Vec`.
///
/// Code outside of this crate cannot construct one.
#[derive(Debug)]
pub struct RawWriter<'a> {
    vec: &'a mut Vec<u8>,
    /// The address of the first byte, and of the next one. Separate pointers, because the one inside the
    /// `Vec` would have to be loaded again after each store. Never beyond the capacity reserved by
    /// [`RawWriter::new`].
    first: *const u8,
    next: *mut u8,
    /// The length of the `Vec` before.
    len: usize,
    #[cfg(debug_assertions)]
    left: usize,
}

impl<'a> RawWriter<'a> {
    /// Reserves space for `len` bytes at the end of `vec`.
    #[inline(always)]
    pub(crate) fn new(vec: &'a mut Vec<u8>, len: usize) -> Self {
        vec.reserve(len);
        Self::in_spare_capacity(vec, len)
    }

    /// As [`new`](Self::new), if the caller has checked the capacity.
    #[inline(always)]
    pub(crate) fn in_spare_capacity(vec: &'a mut Vec<u8>, len: usize) -> Self {
        debug_assert!(vec.capacity() - vec.len() >= len);
        let next = vec.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        Self {
            first: next,
            next,
            len: vec.len(),
            #[cfg(debug_assertions)]
            left: len,
            vec,
        }
    }

    /// Stores a fixed number of bytes.
    ///
    /// # Safety
    /// All that is stored in one `RawWriter` must fit into the space that [`RawWriter::new`] reserved.
    #[inline(always)]
    pub(crate) unsafe fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.count(N);
        // SAFETY: `N` more bytes are within the reserved capacity by this function's contract, and
        // `[u8; N]` has an alignment of one.
        unsafe {
            self.next.cast::<[u8; N]>().write(bytes);
            self.next = self.next.add(N);
        }
    }

    /// Stores a run of bytes.
    ///
    /// # Safety
    /// As [`RawWriter::array`].
    #[inline(always)]
    pub(crate) unsafe fn slice(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        // SAFETY: the destination is within the reserved capacity by this function's contract,
        // and `bytes` cannot overlap a buffer we hold mutably.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.next, bytes.len());
            self.next = self.next.add(bytes.len());
        }
    }

    /// As [`slice`](Self::slice), for keys and short values: without a call of `memcpy` up to 32 bytes, since that takes longer than
    /// such a copy.
    ///
    /// # Safety
    /// As [`RawWriter::array`].
    #[inline(always)]
    pub(crate) unsafe fn short_slice(&mut self, bytes: &[u8]) {
        // SAFETY: the caller has reserved `bytes.len()` bytes, which each arm stores.
        unsafe {
            if bytes.len() >= 8 {
                match bytes.len() {
                    ..=16 => self.ends::<8>(bytes),
                    17..=32 => self.ends::<16>(bytes),
                    33.. => self.slice(bytes),
                }
            } else if bytes.len() >= 4 {
                self.ends::<4>(bytes);
            } else if bytes.len() >= 2 {
                self.ends::<2>(bytes);
            } else {
                self.slice(bytes);
            }
        }
    }

    /// Stores a run of bytes as its first and its last `N` ones, which may overlap.
    ///
    /// # Safety
    /// As [`RawWriter::array`], for all of `bytes`.
    #[inline(always)]
    unsafe fn ends<const N: usize>(&mut self, bytes: &[u8]) {
        debug_assert!((N..=2 * N).contains(&bytes.len()));
        if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
            self.count(bytes.len());
            // SAFETY: both runs are within `bytes.len()` bytes from `next`, which are within the reserved capacity by this
            // function's contract, and together they store each of them. `[u8; N]` has an alignment of one.
            unsafe {
                self.next.cast::<[u8; N]>().write(*first);
                self.next.add(bytes.len() - N).cast::<[u8; N]>().write(*last);
                self.next = self.next.add(bytes.len());
            }
        }
    }

    /// Stores a fixed number of bytes, of which the next store overwrites those from `len` on.
    ///
    /// # Safety
    /// As [`RawWriter::array`], for all `N` bytes; `len` is at most `N`.
    #[inline(always)]
    pub(crate) unsafe fn prefix<const N: usize>(&mut self, bytes: [u8; N], len: usize) {
        debug_assert!(len <= N);
        #[cfg(debug_assertions)]
        assert!(N <= self.left);
        self.count(len);
        // SAFETY: `N` more bytes are within the reserved capacity by this function's contract, and so are
        // the `len` of them that are counted.
        unsafe {
            self.next.cast::<[u8; N]>().write(bytes);
            self.next = self.next.add(len);
        }
    }

    /// Stores a varint: 1 to 10 bytes.
    ///
    /// # Safety
    /// As [`RawWriter::array`].
    #[inline(always)]
    pub(crate) unsafe fn varint(&mut self, mut value: u64) {
        // SAFETY: one byte for each seven bits of `value`, which the caller reserved.
        unsafe {
            // Most values take a byte or two, and these cost no loop.
            if value < 1 << 7 {
                return self.array([value as u8]);
            }
            if value < 1 << 14 {
                return self.array([value as u8 | 0x80, (value >> 7) as u8]);
            }
            while value >= 0x80 {
                self.array([value as u8 | 0x80]);
                value >>= 7;
            }
            self.array([value as u8]);
        }
    }

    /// Makes the stored bytes part of the `Vec`.
    #[inline(always)]
    pub(crate) fn done(self) {
        // SAFETY: both pointers point into, or one past, the allocation of `vec`, which holds no more
        // than `isize::MAX` bytes; `first` is the end of the `Vec`, and `array` or `slice` initialised
        // every byte from there to `next`.
        unsafe {
            let stored = self.next.offset_from(self.first) as usize;
            self.vec.set_len(self.len + stored);
        }
    }

    #[inline(always)]
    fn count(&mut self, _len: usize) {
        #[cfg(debug_assertions)]
        {
            assert!(_len <= self.left);
            self.left -= _len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_size_fill_the_reserved_space_exactly() {
        // Starting with no memory, with some to spare, and with exactly enough.
        for capacity in [0, 1, 8, 9, 40, 100] {
            let mut vec = Vec::with_capacity(capacity);
            vec.push(1u8);
            let mut writer = RawWriter::new(&mut vec, 8 + 16);
            // SAFETY: 0 + 1 + 16 + 0 + 7 bytes.
            unsafe {
                writer.array([]);
                writer.array([2]);
                writer.array(7u128.to_be_bytes());
                writer.slice(&[]);
                writer.slice(b"the end");
            }
            writer.done();
            assert_eq!(vec.len(), 25);
            assert_eq!((vec[1], vec[17], &vec[18..]), (2, 7, &b"the end"[..]));
        }
    }

    #[test]
    fn short_runs_of_every_length_are_whole() {
        let bytes: Vec<u8> = (1..=80).collect();
        for len in 0..=bytes.len() {
            let mut vec = Vec::new();
            let mut writer = RawWriter::new(&mut vec, len + 1);
            // SAFETY: `len` bytes and one.
            unsafe {
                writer.short_slice(&bytes[..len]);
                writer.array([0]);
            }
            writer.done();
            assert_eq!(vec, [&bytes[..len], &[0]].concat());
        }
    }

    #[test]
    fn bytes_without_done_are_not_in_the_vec() {
        let mut vec = vec![1u8];
        {
            let mut writer = RawWriter::new(&mut vec, 4);
            // SAFETY: 4 bytes.
            unsafe { writer.slice(b"lost") };
        }
        assert_eq!(vec, [1]);
        let mut writer = RawWriter::new(&mut vec, 100);
        // SAFETY: 2 of 100 bytes.
        unsafe { writer.array([2, 3]) };
        writer.done();
        assert_eq!(vec, [1, 2, 3]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "self.left")]
    fn a_debug_build_panics_on_a_store_beyond_the_reserved_space() {
        let mut vec = Vec::<u8>::with_capacity(100);
        let mut writer = RawWriter::new(&mut vec, 3);
        // SAFETY: 4 bytes of 3: the assertion comes before the store, and there are 100 bytes.
        unsafe { writer.array([0; 4]) };
    }
}
