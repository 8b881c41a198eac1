//! A parser of HTTP/2 frame headers that detects floods.

/// A parser of the frame headers in the bytes of a client; buffers nine bytes.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes to skip: the preface, then payloads.
    skip: usize,
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the current header block.
    block: usize,
    max_block: usize,
    last_stream: u32,
}

/// The frames in some bytes, and their cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Started frames; a request counts as eight.
    pub frames: usize,
    /// Their cost in tokens. Data compensates for its own frame and for no other.
    pub cost: i64,
}

impl Frames {
    /// A parser at the start of a connection. A header block above `max_block` bytes is a flood.
    pub fn new(max_block: usize) -> Self {
        Self { skip: PREFACE, header: [0; HEADER], have: 0, block: 0, max_block, last_stream: 0 }
    }

    /// Parses the next `bytes`; `None` if their header block exceeds `max_block` bytes.
    pub fn parse(&mut self, mut bytes: &[u8]) -> Option<Tally> {
        let mut tally = Tally::default();
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return Some(tally);
            }
            let taken = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER {
                self.have = 0;
                tally.frames += if self.header[3] == HEADERS { 8 } else { 1 };
                tally.cost = tally.cost.saturating_add(self.cost()?);
            }
        }
    }

    /// Remaining bytes of the current frame.
    pub fn remaining(&self) -> usize {
        self.skip
    }

    /// The last stream that the client opened.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    fn cost(&mut self) -> Option<i64> {
        let [a, b, c, kind, flags, d, e, f, g] = self.header;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        self.skip = len;
        // At most 16 MiB: three bytes of length.
        let cost = (len / PAYING_BYTES) as i64;
        match kind {
            DATA => {
                // Padding does not count as data, and may be all but a byte of the first 256.
                let data = if flags & PADDED == 0 { len } else { len.saturating_sub(256) };
                let is_idle = data == 0 && flags & END_STREAM == 0;
                return Some(if is_idle { IDLE_DATA } else { i64::from(data < PAYING_BYTES) });
            }
            HEADERS => {
                self.last_stream = u32::from_be_bytes([d, e, f, g]) & (u32::MAX >> 1);
                self.block = len;
            }
            CONTINUATION => self.block += len,
            // No other frame has a payload that an export needs.
            _ => return Some(1 + cost),
        }
        if self.block > self.max_block {
            return None;
        }
        if flags & END_HEADERS != 0 {
            self.block = 0;
        }
        Some(1)
    }
}

/// A `GOAWAY` frame with the reason why the connection is closed.
pub(crate) fn go_away(last_stream: u32, reason: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + 8 + reason.len());
    // Reasons are short constants of this crate.
    frame.extend_from_slice(&(8 + reason.len() as u32).to_be_bytes()[1..]);
    frame.extend_from_slice(&[GO_AWAY, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(&last_stream.to_be_bytes());
    frame.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}

/// Bytes of data that compensate for their frame.
const PAYING_BYTES: usize = 64;
/// Cost of a data frame without data and without an end of stream, which no client needs.
const IDLE_DATA: i64 = 5;

// RFC 9113, sections 3.4, 4.1, 6 and 7.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const ENHANCE_YOUR_CALM: u32 = 0xb;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, len: usize) -> Vec<u8> {
        let mut frame = (len as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.resize(HEADER + len, 0xff);
        frame
    }

    /// The tally when the bytes arrive in pieces of `piece`.
    fn tally(frames: &[Vec<u8>], piece: usize) -> Option<Tally> {
        let bytes = [vec![b'P'; PREFACE], frames.concat()].concat();
        let mut reader = Frames::new(100);
        let mut all = Tally::default();
        for piece in bytes.chunks(piece) {
            let some = reader.parse(piece)?;
            all = Tally { frames: all.frames + some.frames, cost: all.cost + some.cost };
        }
        Some(all)
    }

    #[test]
    fn frames_cost_the_same_in_pieces_of_any_size() {
        type Case = (&'static str, Vec<Vec<u8>>, Option<(usize, i64)>);
        let table: &[Case] = &[
            ("nothing", vec![], Some((0, 0))),
            ("pings", vec![frame(6, 0, 0, 8); 5], Some((5, 5))),
            ("settings", vec![frame(4, 0, 0, 0), frame(4, 0, 0, 6400)], Some((2, 102))),
            ("empty data", vec![frame(0, 0, 1, 0); 3], Some((3, 15))),
            ("an end of data", vec![frame(0, 1, 1, 0)], Some((1, 1))),
            ("data", vec![frame(0, 1, 1, 64), frame(0, 1, 1, 6400)], Some((2, 0))),
            ("little data", vec![frame(0, 1, 1, 63)], Some((1, 1))),
            ("padding", vec![frame(0, 8, 1, 256)], Some((1, 5))),
            ("unknown", vec![frame(99, 0, 1, 640)], Some((1, 11))),
            ("headers", vec![frame(1, 4, 1, 100), frame(1, 4, 3, 100)], Some((16, 2))),
            ("long headers", vec![frame(1, 4, 1, 101)], None),
            ("no end", vec![frame(1, 0, 1, 60), frame(9, 0, 1, 60)], None),
            ("an end", vec![frame(1, 0, 1, 60), frame(9, 4, 1, 40)], Some((9, 2))),
        ];
        for (name, frames, expected) in table {
            for piece in [1, 7, 9, 33, 100_000] {
                let tally = tally(frames, piece).map(|tally| (tally.frames, tally.cost));
                assert_eq!(tally, *expected, "{name} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn go_away_writes_a_frame() {
        let mut reader = Frames::new(100);
        assert_eq!(reader.parse(&[0; PREFACE]), Some(Tally::default()));
        assert_eq!(reader.parse(&frame(1, 4, 7, 10)).map(|tally| tally.frames), Some(8));
        assert_eq!(reader.last_stream(), 7);
        assert_eq!(go_away(7, b"no"), b"\0\0\x0a\x07\0\0\0\0\0\0\0\0\x07\0\0\0\x0bno");
    }
}
