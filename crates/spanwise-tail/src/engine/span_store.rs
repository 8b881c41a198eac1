//! Encoded spans in segments of memory.

use super::segment_cost::SegmentCost;
use super::span_index::{Address, ENTRY, Entry, FREED, Header};
use super::span_index::{MAX_SEGMENTS, MAX_SPANS, record_size};

/// Segments of 64 KiB, filled one after the other; a larger span has a segment of its own. A segment is freed with its last
/// span, or when most of it is free: the rest then moves to another segment.
///
/// Spans are filled in from the start of a segment, and their index entries from its end: a decision that forwards no span reads the
/// entries only, which share cache lines.
pub(crate) struct SpanStore {
    segments: Vec<Segment>,
    /// Indexes of segments without memory.
    vacant: Vec<u32>,
    /// The segment that is filled.
    current: Option<usize>,
    /// Segments that are mostly free.
    sparse: Vec<u32>,
    /// Memory of freed segments, which are filled next.
    spare: Vec<Vec<u8>>,
    /// The most segments whose memory is retained, and how many of them no span needed since the last look.
    max_spare: usize,
    idle: usize,
    pub(super) cost: SegmentCost,
    bytes: usize,
}

#[derive(Default)]
struct Segment {
    buffer: Vec<u8>,
    /// Bytes of spans from the start of the buffer.
    filled: usize,
    /// Number of spans.
    spans: usize,
    /// Bytes of spans that are not freed, entries included.
    live: usize,
    is_sparse: bool,
}

/// A span that moved to another address.
pub(crate) struct Moved {
    pub(crate) trace: u32,
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// The trace's next span, if it moved from the same segment before.
    pub(crate) successor: Option<Address>,
}

impl Segment {
    fn fits(&self, size: usize) -> bool {
        self.filled + self.spans * ENTRY + size <= self.buffer.len() && self.spans < MAX_SPANS
    }

    #[inline]
    fn entry_mut(&mut self, number: usize) -> Option<&mut [u8; ENTRY]> {
        let at = self.buffer.len().checked_sub((number + 1) * ENTRY)?;
        self.buffer.get_mut(at..)?.first_chunk_mut()
    }

    #[inline]
    fn entry(&self, number: usize) -> Entry {
        let at = self.buffer.len().checked_sub((number + 1) * ENTRY);
        let bytes = at.and_then(|at| self.buffer.get(at..)?.first_chunk());
        bytes.map_or(Entry::NONE, Entry::read)
    }

    fn clear(&mut self) {
        (self.filled, self.spans, self.live) = (0, 0, 0);
    }
}

impl SpanStore {
    /// A store that retains the memory of freed segments up to one eighth of `max_bytes`, at least 1 MiB: memory that is used again
    /// needs no filling with zeros and no pages of the system.
    pub(crate) fn new(max_bytes: usize, max_request_bytes: usize) -> Self {
        Self {
            max_spare: MIN_SPARE.max(max_bytes / 8 / SEGMENT_BYTES),
            idle: 0,
            segments: Vec::new(),
            vacant: Vec::new(),
            current: None,
            sparse: Vec::new(),
            spare: Vec::new(),
            cost: SegmentCost::new(SEGMENT_BYTES, SEGMENT_OVERHEAD, max_request_bytes),
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
        if self.fits(size) || (size <= SEGMENT_BYTES && !self.spare.is_empty()) {
            return Some(0);
        }
        let has_index = !self.vacant.is_empty() || self.segments.len() < MAX_SEGMENTS;
        has_index.then_some(self.cost.of(size.max(SEGMENT_BYTES)))
    }

    /// The most bytes of memory that a span of `len` bytes can need, as the only one; `None` if it cannot be stored.
    pub(crate) fn largest_cost(&self, len: usize) -> Option<usize> {
        Some(self.cost.of(record_size(len)?.max(SEGMENT_BYTES)))
    }

    fn fits(&self, size: usize) -> bool {
        let current = self.current.and_then(|index| self.segments.get(index));
        current.is_some_and(|segment| segment.fits(size))
    }

    /// Stores a span, whose [`cost`](Self::cost) the caller has checked.
    pub(crate) fn append(&mut self, header: Header, span: &[u8]) -> Address {
        let size = record_size(span.len()).unwrap_or(usize::MAX);
        let index = match self.current {
            Some(index) if self.fits(size) => index,
            _ => self.open(size),
        };
        let Some(segment) = self.segments.get_mut(index) else { return Address::NONE };
        let (start, number) = (segment.filled, segment.spans);
        let end = start + span.len();
        if let Some(place) = segment.buffer.get_mut(start..end) {
            place.copy_from_slice(span);
        }
        // A span of 4 GiB does not fit in a request.
        let entry = Entry { start: start as u32, len: span.len() as u32, header };
        if let Some(place) = segment.entry_mut(number) {
            entry.write(place);
        }
        (segment.filled, segment.spans) = (end, number + 1);
        segment.live += size;
        Address::new(index, number)
    }

    /// A segment with space for `size` bytes.
    fn open(&mut self, size: usize) -> usize {
        let capacity = size.max(SEGMENT_BYTES);
        let spare = if size <= SEGMENT_BYTES { self.spare.pop() } else { None };
        self.idle = self.idle.min(self.spare.len());
        let buffer = spare.unwrap_or_else(|| {
            self.bytes += self.cost.of(capacity);
            vec![0; capacity]
        });
        let segment = Segment { buffer, ..Segment::default() };
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

    /// The index entry of the span at `address`, which must not be freed.
    pub(crate) fn header(&self, address: Address) -> Header {
        let segment = self.segments.get(address.segment());
        segment.map_or(Entry::NONE, |segment| segment.entry(address.number())).header
    }

    /// The `Span` message at `address`, which must not be freed.
    pub(crate) fn span(&self, address: Address) -> &[u8] {
        self.stored(address).1
    }

    /// The group and the `Span` message at `address`, which must not be freed.
    #[inline]
    pub(crate) fn stored(&self, address: Address) -> (u32, &[u8]) {
        let Some(segment) = self.segments.get(address.segment()) else { return (0, &[]) };
        let Entry { start, len, header } = segment.entry(address.number());
        let start = start as usize;
        let span = segment.buffer.get(start..start + len as usize);
        (header.group, span.unwrap_or_default())
    }

    /// Frees the span at `address`.
    pub(crate) fn free(&mut self, address: Address) {
        let number = address.number();
        let Some(segment) = self.segments.get_mut(address.segment()) else { return };
        let size = segment.entry(number).size();
        if let Some(place) = segment.entry_mut(number) {
            Entry::set_freed(place);
        }
        segment.live -= size.min(segment.live);
        self.settle(address.segment());
    }

    /// Frees the spans of a trace from the last one back, and calls `released` with each group and the number of its neighbouring
    /// spans.
    pub(crate) fn free_chain(&mut self, last: Address, mut released: impl FnMut(u32, u32)) {
        let mut next = last;
        let mut run = (0, 0);
        // Neighbours are mostly in one segment and of one group, which are settled once.
        while next != Address::NONE {
            let index = next.segment();
            let Some(segment) = self.segments.get_mut(index) else { break };
            let mut freed = 0;
            // `NONE` is in no segment.
            while next.segment() == index {
                let Some(place) = segment.entry_mut(next.number()) else { return };
                let entry = Entry::read(place);
                Entry::set_freed(place);
                freed += entry.size();
                let Header { group, previous, .. } = entry.header;
                if group != run.0 {
                    if run.1 > 0 {
                        released(run.0, run.1);
                    }
                    run = (group, 0);
                }
                run.1 += 1;
                next = previous;
            }
            segment.live -= freed.min(segment.live);
            self.settle(index);
        }
        if run.1 > 0 {
            released(run.0, run.1);
        }
    }

    /// Frees half of the spare segments that no span needed since the last call.
    pub(crate) fn trim(&mut self) {
        let excess = self.spare.len().saturating_sub(MIN_SPARE).min(self.idle).div_ceil(2);
        self.spare.truncate(self.spare.len() - excess);
        self.bytes -= excess * (SEGMENT_BYTES + SEGMENT_OVERHEAD);
        self.idle = self.spare.len();
    }

    /// Changes the bound of memory, of which a part is retained without spans.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_spare = MIN_SPARE.max(max_bytes / 8 / SEGMENT_BYTES);
    }

    /// Bytes of memory that are retained without spans.
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spare.len() * (SEGMENT_BYTES + SEGMENT_OVERHEAD)
    }

    /// Frees the memory of spare segments; returns false if there is none.
    pub(crate) fn free_spare(&mut self) -> bool {
        let freed = self.spare.len();
        self.spare.clear();
        self.idle = 0;
        self.bytes -= freed * (SEGMENT_BYTES + SEGMENT_OVERHEAD);
        freed > 0
    }

    /// Frees a segment without spans, and notes one that is mostly free.
    #[inline(always)]
    fn settle(&mut self, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        if self.current == Some(index) {
            // Starts again at its beginning: no address points into it.
            if segment.live == 0 {
                segment.clear();
            }
        } else if segment.live == 0 {
            // Stays on the list of sparse segments if it is there; compaction skips it.
            let is_sparse = segment.is_sparse;
            let freed = std::mem::replace(segment, Segment { is_sparse, ..Segment::default() });
            if freed.buffer.len() == SEGMENT_BYTES && self.spare.len() < self.max_spare {
                self.spare.push(freed.buffer);
            } else {
                self.bytes -= self.cost.of(freed.buffer.len());
            }
            self.vacant.push(index as u32);
        } else if segment.live * SPARSE < segment.buffer.len() && !segment.is_sparse {
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
        let is_sparse = segment.live > 0 && segment.live * SPARSE < segment.buffer.len();
        if !is_sparse || self.current == Some(index) {
            return true;
        }
        if self.cost(SEGMENT_BYTES / SPARSE).is_none_or(|cost| cost > spare) {
            return false;
        }
        // The newest span of a trace is mostly the last one in its segment, and leads to the others; not after an earlier compaction.
        let mut done: Vec<(u32, Address)> = Vec::new();
        let spans = self.segments.get(index).map_or(0, |segment| segment.spans);
        for from in (0..spans).rev().map(|number| Address::new(index, number)) {
            // The segment is freed with its last span.
            if self.segments.get(index).is_none_or(|segment| segment.live == 0) {
                break;
            }
            let header = self.header(from);
            let trace = header.trace;
            if trace == FREED {
                continue;
            }
            let span = self.span(from).to_vec();
            let to = self.append(header, &span);
            let leads_here = |(known, address): &&(u32, Address)| {
                *known == trace && self.header(*address).previous == from
            };
            let successor = done.iter().rev().find(leads_here).map(|(_, address)| *address);
            done.push((trace, to));
            moved(self, Moved { trace, from, to, successor });
            self.free(from);
        }
        true
    }

    /// Changes the header of the span at `of`: the span before it, or the trace's slot.
    pub(crate) fn change(&mut self, of: Address, change: impl FnOnce(&mut Header)) {
        let Some(segment) = self.segments.get_mut(of.segment()) else { return };
        let mut entry = segment.entry(of.number());
        change(&mut entry.header);
        segment.entry_mut(of.number()).into_iter().for_each(|place| entry.write(place));
    }
}

pub(crate) const SEGMENT_BYTES: usize = 64 << 10;
/// The entry in the list of segments, the lists of indexes included.
const SEGMENT_OVERHEAD: usize = size_of::<Segment>() * 2 + 64;
/// A segment is sparse when less than one in this many bytes is live.
const SPARSE: usize = 4;
/// The least number of segments whose memory is retained.
const MIN_SPARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn store_one(store: &mut SpanStore, trace: u32, previous: Address, len: usize) -> Address {
        let fill = trace as u8;
        store.append(Header { group: trace + 1, previous, trace }, &vec![fill; len])
    }

    #[test]
    fn spans_are_read_as_they_were_stored() {
        let mut store = SpanStore::new(0, usize::MAX);
        let lens = [0, 1, 7, 8, 9, 300, SEGMENT_BYTES - ENTRY, SEGMENT_BYTES, 200_000, 5];
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
            let header = store.header(*address);
            assert_eq!(store.span(*address), vec![trace as u8; len]);
            assert_eq!(
                (header.group, header.previous, header.trace),
                (trace + 1, *previous, trace)
            );
        }
        for (address, _) in addresses {
            store.free(address);
        }
        // The segment that is filled stays, and those of the usual size.
        assert!(store.bytes() <= 4 * (SEGMENT_BYTES + SEGMENT_OVERHEAD), "{}", store.bytes());
    }

    #[test]
    fn sparse_segments_are_compacted_and_their_chains_stay_whole() {
        // 200 traces of long life, one span in each of 20 segments; the other spans are freed. Segments of moved spans,
        // in which older ones are behind newer ones, become sparse, too.
        let mut store = SpanStore::new(0, usize::MAX);
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
                while store.header(at).previous != moved.from {
                    at = store.header(at).previous;
                }
                at
            });
            store.change(successor, |header| header.previous = moved.to);
        }) {}
        // The memory that is retained is that of a segment and of the spare ones.
        let retained = (MIN_SPARE + 1) * SEGMENT_BYTES;
        assert!(store.bytes() * 3 < full + 3 * retained, "{} of {full}", store.bytes());
        for (trace, end) in (0u32..).zip(&last) {
            let mut at = *end;
            for round in (0..20).rev() {
                let header = store.header(at);
                assert_eq!((header.group, store.span(at)), (round, &[trace as u8; 40][..]));
                at = header.previous;
            }
            assert_eq!(at, Address::NONE);
        }
    }

    #[test]
    fn without_memory_nothing_is_compacted() {
        let mut store = SpanStore::new(0, usize::MAX);
        let spans: Vec<Address> =
            (0..2_000).map(|trace| store_one(&mut store, trace, Address::NONE, 100)).collect();
        for address in spans.iter().skip(1).take(1_000) {
            store.free(*address);
        }
        store.free_spare();
        // The segment that is filled gets no space for a quarter of a segment.
        while store.cost(SEGMENT_BYTES / SPARSE) == Some(0) {
            store_one(&mut store, 0, Address::NONE, 1_000);
        }
        assert!(!store.compact(0, |_, _| panic!("nothing may move")));
        assert_eq!(store.span(spans[0]), [0; 100]);
    }
}
