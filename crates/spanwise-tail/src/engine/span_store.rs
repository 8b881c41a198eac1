//! Encoded spans in segments of memory, each with a header of 16 bytes.

/// The place of a span: 19 bits for the segment, 13 for the offset in units of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(u32);

impl Address {
    /// No span.
    pub(crate) const NONE: Self = Self(u32::MAX);

    fn new(segment: usize, offset: usize) -> Self {
        Self((segment as u32) << OFFSET_BITS | (offset / UNIT) as u32)
    }

    fn segment(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }

    fn offset(self) -> usize {
        (self.0 & ((1 << OFFSET_BITS) - 1)) as usize * UNIT
    }
}

/// A stored span with its header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The resource and scope.
    pub(crate) group: u32,
    /// The span of the trace that arrived before.
    pub(crate) previous: Address,
    /// The `Span` message.
    pub(crate) span: &'a [u8],
}

/// The header of a span that is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) group: u32,
    pub(crate) previous: Address,
    /// The trace's slot in its table.
    pub(crate) trace: u32,
}

/// Segments of 64 KiB, filled one after the other; a larger span has a segment of its own. A segment is freed with its last
/// span, or when most of it is free: the rest then moves to another segment.
pub(crate) struct SpanStore {
    segments: Vec<Segment>,
    /// Indexes of segments without memory.
    vacant: Vec<u32>,
    /// The segment that is filled.
    current: Option<usize>,
    /// Segments that are mostly free.
    sparse: Vec<u32>,
    bytes: usize,
}

#[derive(Default)]
struct Segment {
    buffer: Vec<u8>,
    /// Bytes of spans that are not freed.
    live: usize,
    is_sparse: bool,
}

/// A span that moved to another address.
pub(crate) struct Moved {
    pub(crate) trace: u32,
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// The trace's next span, if it was in the same segment.
    pub(crate) successor: Option<Address>,
}

impl SpanStore {
    pub(crate) fn new() -> Self {
        Self {
            segments: Vec::new(),
            vacant: Vec::new(),
            current: None,
            sparse: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that [`append`](Self::append) would allocate for a span of `len` bytes; `None` if there cannot be
    /// more segments.
    pub(crate) fn cost(&self, len: usize) -> Option<usize> {
        let size = record_size(len)?;
        if self.fits(size) {
            return Some(0);
        }
        let has_index = !self.vacant.is_empty() || self.segments.len() < MAX_SEGMENTS;
        has_index.then_some(size.max(SEGMENT_BYTES) + SEGMENT_OVERHEAD)
    }

    fn fits(&self, size: usize) -> bool {
        let current = self.current.and_then(|index| self.segments.get(index));
        current.is_some_and(|segment| segment.buffer.capacity() - segment.buffer.len() >= size)
    }

    /// Stores a span, whose [`cost`](Self::cost) the caller has checked.
    pub(crate) fn append(&mut self, header: Header, span: &[u8]) -> Address {
        let size = record_size(span.len()).unwrap_or(usize::MAX);
        let index = match self.current {
            Some(index) if self.fits(size) => index,
            _ => self.open(size),
        };
        let Some(segment) = self.segments.get_mut(index) else { return Address::NONE };
        let offset = segment.buffer.len();
        let buffer = &mut segment.buffer;
        // A span of 4 GiB does not fit in a request.
        for word in [span.len() as u32, header.group, header.previous.0, header.trace] {
            buffer.extend_from_slice(&word.to_le_bytes());
        }
        buffer.extend_from_slice(span);
        buffer.resize(offset + size, 0);
        segment.live += size;
        Address::new(index, offset)
    }

    /// A segment with space for `size` bytes.
    fn open(&mut self, size: usize) -> usize {
        let capacity = size.max(SEGMENT_BYTES);
        let segment = Segment { buffer: Vec::with_capacity(capacity), ..Segment::default() };
        self.bytes += segment.buffer.capacity() + SEGMENT_OVERHEAD;
        let index = match self.vacant.pop() {
            Some(index) => index as usize,
            None => {
                self.segments.push(Segment::default());
                self.segments.len() - 1
            }
        };
        if let Some(place) = self.segments.get_mut(index) {
            *place = segment;
        }
        // A segment of one large span is full at once: the current one stays if it still has space.
        if size <= SEGMENT_BYTES {
            let closed = self.current.replace(index);
            closed.into_iter().for_each(|closed| self.settle(closed));
        }
        index
    }

    /// The span at `address`, which must not be freed.
    pub(crate) fn read(&self, address: Address) -> Record<'_> {
        let record = self.segments.get(address.segment());
        let record = record.and_then(|segment| segment.buffer.get(address.offset()..));
        let record = record.unwrap_or_default();
        let span = record.get(HEADER..).and_then(|span| span.get(..word(record, LEN) as usize));
        Record {
            group: word(record, GROUP),
            previous: Address(word(record, PREVIOUS)),
            span: span.unwrap_or_default(),
        }
    }

    /// Frees the span at `address`.
    pub(crate) fn free(&mut self, address: Address) {
        let Some(segment) = self.segments.get_mut(address.segment()) else { return };
        let Some(record) = segment.buffer.get_mut(address.offset()..) else { return };
        let size = record_size(word(record, LEN) as usize).unwrap_or_default();
        put_word(record, TRACE, FREED);
        segment.live -= size.min(segment.live);
        self.settle(address.segment());
    }

    /// Frees a segment without spans, and notes one that is mostly free.
    fn settle(&mut self, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        if self.current == Some(index) {
            // Starts again at its beginning: no address points into it.
            if segment.live == 0 {
                segment.buffer.clear();
            }
        } else if segment.live == 0 {
            self.bytes -= segment.buffer.capacity() + SEGMENT_OVERHEAD;
            // Stays on the list of sparse segments if it is there; compaction skips it.
            *segment = Segment { is_sparse: segment.is_sparse, ..Segment::default() };
            self.vacant.push(index as u32);
        } else if segment.live * SPARSE < segment.buffer.capacity() && !segment.is_sparse {
            segment.is_sparse = true;
            self.sparse.push(index as u32);
        }
    }

    /// Moves the spans of one sparse segment to the current one, within `spare` bytes of new memory, and calls `moved`
    /// for each; returns false if there is no sparse segment or no memory.
    pub(crate) fn compact(
        &mut self,
        spare: usize,
        mut moved: impl FnMut(&mut Self, Moved),
    ) -> bool {
        let Some(index) = self.sparse.pop().map(|index| index as usize) else { return false };
        let Some(segment) = self.segments.get_mut(index) else { return false };
        segment.is_sparse = false;
        let is_sparse = segment.live > 0 && segment.live * SPARSE < segment.buffer.capacity();
        if !is_sparse || self.current == Some(index) {
            return true;
        }
        if self.cost(SEGMENT_BYTES / SPARSE).is_none_or(|cost| cost > spare) {
            return false;
        }
        // The newest span of a trace first: it leads to the others.
        let mut successors: Vec<(u32, Address)> = Vec::new();
        for (from, trace) in self.live_spans(index).into_iter().rev() {
            let Record { group, previous, span } = self.read(from);
            let span = span.to_vec();
            let to = self.append(Header { group, previous, trace }, &span);
            let successor = successors.iter_mut().find(|(known, _)| *known == trace);
            let successor = match successor {
                Some((_, successor)) => Some(std::mem::replace(successor, to)),
                None => {
                    successors.push((trace, to));
                    None
                }
            };
            moved(self, Moved { trace, from, to, successor });
            self.free(from);
        }
        true
    }

    /// The spans of a segment that are not freed, with the slots of their traces.
    fn live_spans(&self, index: usize) -> Vec<(Address, u32)> {
        let (mut spans, mut offset) = (Vec::new(), 0);
        let buffer = self.segments.get(index).map_or(&[][..], |segment| &segment.buffer);
        while let Some(record) = buffer.get(offset..).filter(|record| record.len() >= HEADER) {
            let trace = word(record, TRACE);
            if trace != FREED {
                spans.push((Address::new(index, offset), trace));
            }
            offset += record_size(word(record, LEN) as usize).unwrap_or(usize::MAX / 2);
        }
        spans
    }

    /// Makes `address` the span before the one at `of`.
    pub(crate) fn set_previous(&mut self, of: Address, address: Address) {
        let segment = self.segments.get_mut(of.segment());
        if let Some(record) = segment.and_then(|segment| segment.buffer.get_mut(of.offset()..)) {
            put_word(record, PREVIOUS, address.0);
        }
    }
}

/// Bytes of a span with its header; `None` beyond 4 GiB.
fn record_size(len: usize) -> Option<usize> {
    u32::try_from(len).ok()?;
    Some((len + HEADER).next_multiple_of(UNIT))
}

fn word(record: &[u8], at: usize) -> u32 {
    let bytes = record.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}

fn put_word(record: &mut [u8], at: usize, value: u32) {
    if let Some(place) = record.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

const OFFSET_BITS: u32 = 13;
const UNIT: usize = 8;
/// The bytes that an offset reaches: 64 KiB.
pub(crate) const SEGMENT_BYTES: usize = UNIT << OFFSET_BITS;
/// The last index would make [`Address::NONE`].
const MAX_SEGMENTS: usize = (1 << (32 - OFFSET_BITS)) - 1;
/// The entry in the list of segments, the lists of indexes included.
const SEGMENT_OVERHEAD: usize = size_of::<Segment>() * 2 + 16;
/// A segment is sparse when less than one in this many bytes is live.
const SPARSE: usize = 4;
const HEADER: usize = 16;
const LEN: usize = 0;
const GROUP: usize = 4;
const PREVIOUS: usize = 8;
const TRACE: usize = 12;
/// In place of the trace's slot, which is a smaller number.
const FREED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn store_one(store: &mut SpanStore, trace: u32, previous: Address, len: usize) -> Address {
        let fill = trace as u8;
        store.append(Header { group: trace + 1, previous, trace }, &vec![fill; len])
    }

    #[test]
    fn spans_are_read_as_they_were_stored() {
        let mut store = SpanStore::new();
        let lens = [0, 1, 7, 8, 9, 300, SEGMENT_BYTES - HEADER, SEGMENT_BYTES, 200_000, 5];
        let mut addresses = Vec::new();
        let mut previous = Address::NONE;
        for (trace, len) in (0u32..).zip(lens) {
            let cost = store.cost(len).unwrap();
            let before = store.bytes();
            let address = store_one(&mut store, trace, previous, len);
            assert!(store.bytes() - before <= cost, "{len}");
            addresses.push((address, previous));
            previous = address;
        }
        for ((trace, len), (address, previous)) in (0u32..).zip(lens).zip(&addresses) {
            let record = store.read(*address);
            assert_eq!(record.span, vec![trace as u8; len]);
            assert_eq!((record.group, record.previous), (trace + 1, *previous));
        }
        for (address, _) in addresses {
            store.free(address);
        }
        // The segment that is filled stays.
        assert!(store.bytes() <= SEGMENT_BYTES + SEGMENT_OVERHEAD);
    }

    #[test]
    fn sparse_segments_are_compacted_and_their_chains_stay_whole() {
        // 200 traces of long life, one span in each of 20 segments; the other spans are freed.
        let mut store = SpanStore::new();
        let mut last = vec![Address::NONE; 200];
        let mut short = Vec::new();
        for round in 0..20u32 {
            for trace in 0..200u32 {
                let previous = last[trace as usize];
                last[trace as usize] =
                    store.append(Header { group: round, previous, trace }, &[trace as u8; 40]);
                for _ in 0..2 {
                    short.push(store_one(&mut store, 1_000, Address::NONE, 140));
                }
            }
        }
        let full = store.bytes();
        for address in short {
            store.free(address);
        }
        while store.compact(usize::MAX, |store, moved| {
            let end = &mut last[moved.trace as usize];
            if *end == moved.from {
                *end = moved.to;
                return;
            }
            let successor = moved.successor.unwrap_or_else(|| {
                let mut at = *end;
                while store.read(at).previous != moved.from {
                    at = store.read(at).previous;
                }
                at
            });
            store.set_previous(successor, moved.to);
        }) {}
        assert!(store.bytes() * 3 < full, "{} of {full}", store.bytes());
        for (trace, end) in (0u32..).zip(&last) {
            let mut at = *end;
            for round in (0..20).rev() {
                let record = store.read(at);
                assert_eq!((record.group, record.span), (round, &[trace as u8; 40][..]));
                at = record.previous;
            }
            assert_eq!(at, Address::NONE);
        }
    }

    #[test]
    fn without_memory_nothing_is_compacted() {
        let mut store = SpanStore::new();
        let spans: Vec<Address> =
            (0..2_000).map(|trace| store_one(&mut store, trace, Address::NONE, 100)).collect();
        for address in spans.iter().skip(1).take(1_000) {
            store.free(*address);
        }
        // The segment that is filled gets no space for a quarter of a segment.
        while store.cost(SEGMENT_BYTES / SPARSE) == Some(0) {
            store_one(&mut store, 0, Address::NONE, 1_000);
        }
        assert!(!store.compact(0, |_, _| panic!("nothing may move")));
        assert_eq!(store.read(spans[0]).span, [0; 100]);
    }
}
