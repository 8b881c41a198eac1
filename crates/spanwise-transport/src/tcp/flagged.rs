//! Vectored writes with `MSG_NOSIGNAL`, on systems that have it.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use libc::MSG_NOSIGNAL;
use socket2::SockRef;
use tokio::io::Interest;

use super::Socket;

/// Whether vectored writes are vectored.
pub(super) const IS_WRITE_VECTORED: bool = true;

/// The same for both types, which have no trait in common.
macro_rules! poll_write_to {
    ($stream:ident, $cx:ident, $bufs:ident) => {
        loop {
            ready!($stream.poll_write_ready($cx))?;
            let write = || SockRef::from(&*$stream).send_vectored_with_flags($bufs, MSG_NOSIGNAL);
            match $stream.try_io(Interest::WRITABLE, write) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    };
}

/// Like the stream's own `poll_write_vectored`, by `sendmsg` with a flag instead of `writev`.
pub(super) fn poll_write(
    socket: &mut Socket,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let bufs = bufs.get(..MAX_BUFFERS).unwrap_or(bufs);
    match socket {
        Socket::Tcp(stream) => poll_write_to!(stream, cx, bufs),
        Socket::Unix(stream) => poll_write_to!(stream, cx, bufs),
    }
}

/// `IOV_MAX` of all these systems; more is an error.
const MAX_BUFFERS: usize = 1024;
