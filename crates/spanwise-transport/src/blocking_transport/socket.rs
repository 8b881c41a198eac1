//! A connected socket that blocks, whose writes raise no signal.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A connected socket: TCP or Unix.
///
/// Its vectored writes are plain ones: those of std may raise SIGPIPE, which ends a process that has it at
/// its default.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Calls a method of the inner socket.
macro_rules! inner {
    ($self:ident, $socket:ident => $call:expr) => {
        match $self {
            Self::Tcp($socket) => $call,
            #[cfg(unix)]
            Self::Unix($socket) => $call,
        }
    };
}

impl Socket {
    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        inner!(self, socket => socket.set_read_timeout(Some(timeout)))
    }

    pub(super) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        inner!(self, socket => socket.set_write_timeout(Some(timeout)))
    }

    pub(super) fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        inner!(self, socket => socket.set_nonblocking(is_nonblocking))
    }

    /// The number of bytes, at most one, that have arrived; they remain to be read.
    pub(super) fn peek(&self) -> io::Result<usize> {
        let mut byte = [MaybeUninit::uninit()];
        inner!(self, socket => SockRef::from(socket).peek(&mut byte))
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        inner!(self, socket => socket.read(buf))
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            // std's plain writes carry the flag.
            Self::Tcp(socket) => socket.write(buf),
            #[cfg(unix)]
            Self::Unix(socket) => write_to_unix(socket, buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket of which each read and write ends at a deadline.
///
/// One call of rustls reads and writes for as long as its peer makes progress. A timeout of the socket that is set
/// before such a call begins anew with each byte.
#[derive(Debug)]
pub(super) struct TimedSocket {
    pub(super) socket: Socket,
    pub(super) deadline: Instant,
    /// Maximum time of one write.
    pub(super) write_timeout: Duration,
}

impl TimedSocket {
    pub(super) fn new(socket: Socket, deadline: Instant) -> Self {
        Self { socket, deadline, write_timeout: Duration::MAX }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would be none.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for TimedSocket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(buf)
    }
}

impl Write for TimedSocket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?.min(self.write_timeout))?;
        self.socket.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// std's writes to Unix sockets carry the flag from a later version on.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
))]
fn write_to_unix(socket: &UnixStream, buf: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(buf, libc::MSG_NOSIGNAL)
}

/// Apple's systems have an option of the socket, which is set where it is made.
#[cfg(all(
    unix,
    not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
    ))
))]
fn write_to_unix(mut socket: &UnixStream, buf: &[u8]) -> io::Result<usize> {
    socket.write(buf)
}
