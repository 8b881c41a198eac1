//! Vectored writes on systems without `MSG_NOSIGNAL`.
//!
//! Windows has no signals, and Apple's systems an option of the socket, which is set where it is
//! made (by mio, as std does). Elsewhere there are no vectored writes: hyper
//! copies what is small, and std's plain writes carry a flag wherever the system has one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

/// Whether vectored writes are vectored.
pub(super) const IS_WRITE_VECTORED: bool = cfg!(any(windows, target_vendor = "apple"));

/// The stream's own vectored write where that raises no signal, a plain one otherwise.
pub(super) fn poll_write(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if IS_WRITE_VECTORED {
        return Pin::new(stream).poll_write_vectored(cx, bufs);
    }
    let first = bufs.iter().find(|buf| !buf.is_empty());
    Pin::new(stream).poll_write(cx, first.map_or(&[], |buf| buf))
}
