//! Appending to a buffer whose room was made once: the only `unsafe` of this crate.
//!
//! A span is some twenty small pieces. Asking `Vec` for room before each of them costs more than
//! writing them, so the room for a group of pieces is reserved first and the pieces are stored
//! without a check. `Room` keeps the arithmetic honest: debug builds assert every store.

/// Room for a known number of bytes at the end of a `Vec`.
pub(super) struct Room<'a> {
    vec: &'a mut Vec<u8>,
    /// Where the next byte goes. Never beyond the capacity reserved by [`Room::new`].
    len: usize,
    #[cfg(debug_assertions)]
    limit: usize,
}

impl<'a> Room<'a> {
    /// Makes room for `len` bytes behind what `vec` holds.
    #[inline(always)]
    pub(super) fn new(vec: &'a mut Vec<u8>, len: usize) -> Self {
        vec.reserve(len);
        Self {
            len: vec.len(),
            #[cfg(debug_assertions)]
            limit: vec.len() + len,
            vec,
        }
    }

    /// Stores a fixed number of bytes.
    ///
    /// # Safety
    /// All that is stored in one `Room` must fit what [`Room::new`] was asked for.
    #[inline(always)]
    pub(super) unsafe fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        #[cfg(debug_assertions)]
        assert!(self.len + N <= self.limit);
        // SAFETY: `len + N` is within the reserved capacity by this function's contract, and
        // `[u8; N]` has an alignment of one.
        unsafe { self.vec.as_mut_ptr().add(self.len).cast::<[u8; N]>().write(bytes) };
        self.len += N;
    }

    /// Stores a run of bytes.
    ///
    /// # Safety
    /// As [`Room::array`].
    #[inline(always)]
    pub(super) unsafe fn slice(&mut self, bytes: &[u8]) {
        #[cfg(debug_assertions)]
        assert!(self.len + bytes.len() <= self.limit);
        // SAFETY: the destination is within the reserved capacity by this function's contract,
        // and `bytes` cannot overlap a buffer we hold mutably.
        unsafe {
            let to = self.vec.as_mut_ptr().add(self.len);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        self.len += bytes.len();
    }

    /// Makes what was stored part of the `Vec`.
    #[inline(always)]
    pub(super) fn done(self) {
        // SAFETY: every byte up to `len` was initialised by `array` or `slice`, which keep `len`
        // within the capacity.
        unsafe { self.vec.set_len(self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_size_fill_the_room_to_the_last_byte() {
        // Starting with no memory, with some to spare, and with exactly enough.
        for capacity in [0, 1, 8, 9, 40, 100] {
            let mut vec = Vec::with_capacity(capacity);
            vec.push(1u8);
            let mut room = Room::new(&mut vec, 8 + 16);
            // SAFETY: 0 + 1 + 16 + 0 + 7 bytes.
            unsafe {
                room.array([]);
                room.array([2]);
                room.array(7u128.to_be_bytes());
                room.slice(&[]);
                room.slice(b"the end");
            }
            room.done();
            assert_eq!(vec.len(), 25);
            assert_eq!((vec[1], vec[17], &vec[18..]), (2, 7, &b"the end"[..]));
        }
    }

    #[test]
    fn what_is_not_done_was_never_there() {
        let mut vec = vec![1u8];
        {
            let mut room = Room::new(&mut vec, 4);
            // SAFETY: 4 bytes.
            unsafe { room.slice(b"lost") };
        }
        assert_eq!(vec, [1]);
        let mut room = Room::new(&mut vec, 100);
        // SAFETY: 2 of 100 bytes.
        unsafe { room.array([2, 3]) };
        room.done();
        assert_eq!(vec, [1, 2, 3]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "self.limit")]
    fn a_debug_build_sees_a_store_too_many() {
        let mut vec = Vec::<u8>::with_capacity(100);
        let mut room = Room::new(&mut vec, 3);
        // SAFETY: 4 bytes of 3: the assertion comes before the store, and there are 100 bytes.
        unsafe { room.array([0; 4]) };
    }
}
