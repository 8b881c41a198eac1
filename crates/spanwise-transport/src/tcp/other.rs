//! Vectored writes on systems without `MSG_NOSIGNAL`.
//!
//! Windows has no signals, and Apple's systems an option of the socket, which is set where it is
//! made (by mio, as std does). Elsewhere there are no vectored writes: hyper
//! copies what is small, and std's plain writes carry a flag wherever the system has one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite as _;

use super::Socket;

/// Whether vectored writes are vectored.
pub(super) const IS_WRITE_VECTORED: bool = cfg!(any(windows, target_vendor = "apple"));

/// The stream's own vectored write where that raises no signal, a plain one otherwise.
pub(super) fn poll_write(
    socket: &mut Socket,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
    match socket {
        Socket::Tcp(stream) if IS_WRITE_VECTORED => Pin::new(stream).poll_write_vectored(cx, bufs),
        Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, first),
        #[cfg(unix)]
        Socket::Unix(stream) if IS_WRITE_VECTORED => Pin::new(stream).poll_write_vectored(cx, bufs),
        #[cfg(unix)]
        Socket::Unix(stream) => Pin::new(stream).poll_write(cx, first),
    }
}
