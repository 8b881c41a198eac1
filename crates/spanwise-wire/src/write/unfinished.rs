//! Bytes that are taken back unless they are completed.

/// A field being appended. Dropped before [`done`](Self::done), it was never there.
///
/// Values may be anybody's code. One that panics, or that is longer than it said, must not leave
/// half a field behind: a receiver would refuse the whole request for it.
pub(super) struct Unfinished<'a> {
    buf: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Unfinished<'a> {
    /// Starts a field at the end of `buf`.
    #[inline(always)]
    pub(super) fn new(buf: &'a mut Vec<u8>) -> Self {
        Self { start: buf.len(), buf }
    }

    /// The buffer to append to.
    #[inline(always)]
    pub(super) fn buf(&mut self) -> &mut Vec<u8> {
        self.buf
    }

    /// The field is complete.
    #[inline(always)]
    pub(super) fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    #[inline]
    fn drop(&mut self) {
        self.buf.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_done_stays() {
        let mut buf = vec![1];
        let mut unfinished = Unfinished::new(&mut buf);
        unfinished.buf().extend([2; 1000]);
        drop(unfinished);
        assert_eq!(buf, [1]);
        let mut unfinished = Unfinished::new(&mut buf);
        unfinished.buf().push(2);
        unfinished.done();
        assert_eq!(buf, [1, 2]);
    }
}
