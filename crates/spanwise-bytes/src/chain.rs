//! A request body of several pieces, read as `bytes::Buf`.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Pieces of [`Bytes`] that are read as one [`Buf`] and written with vectored writes.
///
/// For a body whose pieces exist already and are large: headers in front of file blocks, cached
/// fragments, received frames that are forwarded. One copy into one `Bytes`
/// ([`into_bytes`](Self::into_bytes)) is cheaper for small pieces; the README has the measurements.
/// A clone shares all memory, so each attempt of a retried request takes its own.
///
/// Empty pieces are left out. Reading consumes; [`advance`](Buf::advance) beyond the end and
/// `copy_to_bytes` of more than remains panic, as every `Buf` does.
///
/// ```
/// use spanwise_bytes::{BytesChain, WriteTo, bytes::{Buf, Bytes}};
///
/// let block = Bytes::from(vec![7; 100_000]);
/// let mut body = BytesChain::from_iter([Bytes::from_static(b"head"), block.slice(..99_999)]);
/// assert_eq!((body.remaining(), body.pieces().len()), (100_003, 2));
///
/// let mut connection = Vec::new(); // or a TcpStream
/// body.write_to(&mut connection)?; // both pieces in one `writev`
/// assert_eq!((connection.len(), body.remaining()), (100_003, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct BytesChain {
    /// The pieces; no piece is empty.
    pieces: VecDeque<Bytes>,
    /// The sum of their lengths. 64 bits, because pieces that share memory may exceed a `usize`.
    len: u64,
}

impl BytesChain {
    /// An empty chain. Allocates nothing.
    pub const fn new() -> Self {
        Self { pieces: VecDeque::new(), len: 0 }
    }

    /// An empty chain that takes `pieces` pieces without allocating again.
    pub fn with_capacity(pieces: usize) -> Self {
        Self { pieces: VecDeque::with_capacity(pieces), len: 0 }
    }

    /// Appends a piece, in its memory. Does nothing if it is empty.
    pub fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.len = self.len.saturating_add(piece.len() as u64);
            self.pieces.push_back(piece);
        }
    }

    /// The pieces that are not consumed, in order; the first one without its consumed part.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// All bytes in one `Bytes`.
    ///
    /// # Cost
    /// O(1) for at most one piece; otherwise one allocation and one copy.
    pub fn into_bytes(mut self) -> Bytes {
        self.copy_to_bytes(self.remaining())
    }
}

impl Buf for BytesChain {
    fn remaining(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    /// Each piece is a slice of `slices`, as far as there is space.
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(&self.pieces);
        pairs.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    /// Frees each piece that is consumed.
    fn advance(&mut self, count: usize) {
        let mut left = count;
        while let Some(piece) = self.pieces.front_mut() {
            if left < piece.len() {
                piece.advance(left);
                self.len -= left as u64;
                return;
            }
            left -= piece.len();
            self.len -= piece.len() as u64;
            self.pieces.pop_front();
        }
        assert!(left == 0, "advance by {count}, which is {left} beyond the end of the chain");
    }

    /// Shares the memory if the first piece has `len` bytes; otherwise one allocation and one copy.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        match self.pieces.front_mut() {
            Some(piece) if piece.len() > len => {
                self.len -= len as u64;
                piece.split_to(len)
            }
            Some(piece) if piece.len() == len => {
                self.len -= len as u64;
                self.pieces.pop_front().unwrap_or_default()
            }
            _ => {
                let remaining = self.remaining();
                assert!(len <= remaining, "copy of {len} bytes, of which {remaining} remain");
                let mut copy = BytesMut::with_capacity(len);
                copy.put(self.take(len));
                copy.freeze()
            }
        }
    }
}

/// A chain of one piece, in its memory.
impl From<Bytes> for BytesChain {
    fn from(piece: Bytes) -> Self {
        Self::from_iter([piece])
    }
}

impl<P: Into<Bytes>> FromIterator<P> for BytesChain {
    fn from_iter<I: IntoIterator<Item = P>>(pieces: I) -> Self {
        let mut chain = Self::new();
        chain.extend(pieces);
        chain
    }
}

impl<P: Into<Bytes>> Extend<P> for BytesChain {
    fn extend<I: IntoIterator<Item = P>>(&mut self, pieces: I) {
        let pieces = pieces.into_iter();
        self.pieces.reserve(pieces.size_hint().0);
        pieces.for_each(|piece| self.push(piece));
    }
}

/// The pieces, for example as the frames of a streamed body.
impl IntoIterator for BytesChain {
    type Item = Bytes;
    type IntoIter = vec_deque::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

/// Its length and number of pieces; the bytes are never printed.
impl fmt::Debug for BytesChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BytesChain")
            .field("remaining", &self.len)
            .field("pieces", &self.pieces.len())
            .finish_non_exhaustive()
    }
}
