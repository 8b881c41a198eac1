//! `WriteTo`: writes a `Buf` to an `io::Write`, by vectored writes.

use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::Buf;

/// Writes what remains of a [`Buf`] to a [`Write`], as Go's `io.WriterTo` does.
///
/// Implemented for every `Buf`: `&[u8]`, `Bytes`, [`BytesChain`](crate::BytesChain). The buffer
/// advances by what was written, so that after an error the rest can be written by another call;
/// `write_all` does not report how much that is.
///
/// ```
/// use spanwise_bytes::{WriteTo, bytes::Bytes};
///
/// let mut message = Bytes::from_static(b"hello");
/// let mut connection = Vec::new();
/// assert_eq!(message.write_to(&mut connection)?, 5);
/// assert!(message.is_empty() && connection == b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "WriterTo")]
pub trait WriteTo: Buf {
    /// Writes until nothing remains; returns the number of bytes written by this call.
    ///
    /// # Errors
    /// The error of `writer`, [`ErrorKind::Interrupted`] excepted, which is retried, and
    /// [`ErrorKind::WriteZero`] when it accepts no bytes. The bytes written before are consumed.
    ///
    /// # Cost
    /// One `write_vectored` for up to 64 pieces; a writer that cannot take them together (see its
    /// `write_vectored`) gets one piece at a time. No copy and no allocation.
    #[doc(alias = "WriteTo")]
    fn write_to<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<u64> {
        let mut written = 0;
        while self.has_remaining() {
            let count = match write_some(self, writer) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // A writer that claims more than it was given must not make `advance` panic.
            let count = count.min(self.remaining());
            self.advance(count);
            written += count as u64;
        }
        Ok(written)
    }
}

impl<B: Buf + ?Sized> WriteTo for B {}

fn write_some<B: Buf + ?Sized, W: Write + ?Sized>(buffer: &B, writer: &mut W) -> io::Result<usize> {
    // Filling the slices costs more than a write of one piece needs.
    if buffer.chunk().len() == buffer.remaining() {
        return writer.write(buffer.chunk());
    }
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let count = buffer.chunks_vectored(&mut slices);
    writer.write_vectored(slices.get(..count).unwrap_or_default())
}

/// As in hyper; at most 1,024 are accepted by Linux, and beyond 64 the call itself costs nothing.
const MAX_SLICES: usize = 64;
