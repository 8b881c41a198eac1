//! The new message: what no rule changes is copied in long pieces.

/// The output of one message.
#[derive(Debug)]
pub(super) struct Output<'o> {
    out: &'o mut Vec<u8>,
    message: &'o [u8],
    /// The end of the bytes that are copied or left out.
    copied: usize,
    /// The present field.
    start: usize,
    end: usize,
    tag: u8,
    is_changed: bool,
}

impl<'o> Output<'o> {
    #[inline]
    pub(super) fn new(out: &'o mut Vec<u8>, message: &'o [u8]) -> Self {
        out.clear();
        Self { out, message, copied: 0, start: 0, end: 0, tag: 0, is_changed: false }
    }

    /// Goes on with the field from `start` to `end`.
    #[inline]
    pub(super) fn field(&mut self, number: u32, start: usize, end: usize) {
        // The fields that rules reach have numbers below 16.
        (self.tag, self.start, self.end) = ((number as u8) << 3 | 2, start, end);
    }

    /// Leaves the present field out.
    pub(super) fn delete(&mut self) {
        self.replace();
    }

    /// Leaves the present field out, for a new one with the returned tag.
    pub(super) fn replace(&mut self) -> (&mut Vec<u8>, u8) {
        let before = self.message.get(self.copied..self.start).unwrap_or_default();
        self.out.extend_from_slice(before);
        self.copied = self.end;
        self.is_changed = true;
        (self.out, self.tag)
    }

    /// Leaves out all from `start` on.
    pub(super) fn cut(&mut self, start: usize) {
        let before = self.message.get(self.copied..start).unwrap_or_default();
        self.out.extend_from_slice(before);
        self.copied = self.message.len();
        self.is_changed = true;
    }

    /// Copies the rest. Whether the message is changed.
    #[inline]
    pub(super) fn finish(self) -> bool {
        if self.is_changed {
            self.out.extend_from_slice(self.message.get(self.copied..).unwrap_or_default());
        }
        self.is_changed
    }
}
