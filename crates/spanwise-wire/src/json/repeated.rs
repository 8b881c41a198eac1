//! The repeated fields of a message, which JSON has in one array.

use super::encoder::Encoded;
use crate::read::{Fields, WireError};

/// The occurrences of a repeated field in a message.
#[derive(Clone, Copy, Default)]
pub(super) struct Repeated<'a> {
    /// The message from the first one on.
    from: &'a [u8],
    pub(super) count: usize,
}

impl<'a> Repeated<'a> {
    /// Counts the field at the beginning of `rest`.
    #[inline(always)]
    pub(super) fn count(&mut self, rest: &'a [u8], field: Result<&'a [u8], WireError>) -> Encoded {
        field?;
        if self.count == 0 {
            self.from = rest;
        }
        self.count += 1;
        Ok(())
    }

    /// The contents of the fields.
    #[inline(always)]
    pub(super) fn iter(self, number: u32) -> impl Iterator<Item = &'a [u8]> {
        let fields = Fields::new(self.from).filter_map(Result::ok);
        let of_number = fields.filter(move |field| field.number == number);
        of_number.filter_map(|field| field.bytes().ok()).take(self.count)
    }
}
