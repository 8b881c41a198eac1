//! The place where a spool reads.

use crate::segment::Scan;

/// The place of the next record to read.
pub(super) struct Cursor<F> {
    pub(super) segment: u64,
    /// In that segment; `None` at its start.
    pub(super) scan: Option<Scan>,
    pub(super) file: Option<F>,
    pub(super) payload: Vec<u8>,
}

impl<F> Cursor<F> {
    pub(super) fn start() -> Self {
        Self { segment: 0, scan: None, file: None, payload: Vec::new() }
    }

    /// Moves to the start of a segment, or of the next one that there is.
    pub(super) fn move_to(&mut self, segment: u64) {
        self.segment = segment;
        self.scan = None;
        self.file = None;
    }
}
