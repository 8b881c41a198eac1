//! A field that is removed unless it is completed.

/// A field that is being appended. Dropped before [`done`](Self::done), it is removed.
///
/// Foreign code may write a value and panic. It must not leave half a field: a receiver would reject the
/// whole request.
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
    fn a_field_without_done_is_removed() {
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
