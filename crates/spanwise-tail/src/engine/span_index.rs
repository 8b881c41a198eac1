//! The index of the spans of a store: 20 bytes each.

/// The place of a span: 19 bits for the segment, 13 for its number in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(u32);

impl Address {
    /// No span.
    pub(crate) const NONE: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn new(segment: usize, number: usize) -> Self {
        Self((segment as u32) << NUMBER_BITS | number as u32)
    }

    #[inline]
    pub(super) fn segment(self) -> usize {
        (self.0 >> NUMBER_BITS) as usize
    }

    #[inline]
    pub(super) fn number(self) -> usize {
        (self.0 & ((1 << NUMBER_BITS) - 1)) as usize
    }
}

/// The index entry of a stored span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// The resource and scope.
    pub(crate) group: u32,
    /// The span of the trace that arrived before.
    pub(crate) previous: Address,
    /// The trace's slot in its table.
    pub(crate) trace: u32,
}

/// Bytes of an encoded entry.
pub(super) const ENTRY: usize = 20;

/// Bytes of a span with its entry; `None` beyond 4 GiB.
pub(super) fn record_size(len: usize) -> Option<usize> {
    u32::try_from(len).ok()?;
    Some(len + ENTRY)
}

/// The index entry of a span, with the place of its bytes in the segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) header: Header,
}

impl Entry {
    /// In place of an entry that does not exist.
    pub(super) const NONE: Self = Self {
        start: 0,
        len: 0,
        header: Header { group: 0, previous: Address::NONE, trace: FREED },
    };

    /// Bytes of the span and its entry.
    pub(super) fn size(&self) -> usize {
        self.len as usize + ENTRY
    }

    #[inline]
    pub(super) fn read(bytes: &[u8; ENTRY]) -> Self {
        let previous = Address(word(bytes, PREVIOUS));
        let header = Header { group: word(bytes, GROUP), previous, trace: word(bytes, TRACE) };
        Self { start: word(bytes, START), len: word(bytes, LEN), header }
    }

    #[inline]
    pub(super) fn write(&self, place: &mut [u8; ENTRY]) {
        let Header { group, previous, trace } = self.header;
        put_word(place, START, self.start);
        put_word(place, LEN, self.len);
        put_word(place, GROUP, group);
        put_word(place, PREVIOUS, previous.0);
        put_word(place, TRACE, trace);
    }

    /// Marks the entry of a span that is free.
    #[inline]
    pub(super) fn set_freed(place: &mut [u8; ENTRY]) {
        put_word(place, TRACE, FREED);
    }
}

// The places are constants, so that no check of a bound remains.

#[inline(always)]
fn word(bytes: &[u8; ENTRY], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

#[inline(always)]
fn put_word(bytes: &mut [u8; ENTRY], at: usize, value: u32) {
    if let Some(word) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *word = value.to_le_bytes();
    }
}

const START: usize = 0;
const LEN: usize = 4;
const GROUP: usize = 8;
const PREVIOUS: usize = 12;
const TRACE: usize = 16;
/// In place of the trace's slot, which is a smaller number.
pub(super) const FREED: u32 = u32::MAX;

const NUMBER_BITS: u32 = 13;
/// The most spans of a segment.
pub(super) const MAX_SPANS: usize = 1 << NUMBER_BITS;
/// The last index would make [`Address::NONE`].
pub(super) const MAX_SEGMENTS: usize = (1 << (32 - NUMBER_BITS)) - 1;
