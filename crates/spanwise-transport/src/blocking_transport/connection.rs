//! One connection, whose reads and writes end at a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use spanwise_worker::fork;

use super::socket::{Socket, TimedSocket};
use crate::tcp::ProtocolSniffer;

/// A connection to the endpoint.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// The time at which it became idle.
    pub(super) idle_since: Instant,
    /// The process that made it: a fork copies its descriptor.
    generation: u32,
    sniffer: ProtocolSniffer,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TimedSocket),
    /// In a box: a TLS session is much larger than a socket.
    #[cfg(feature = "blocking-tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TimedSocket>>),
}

/// A connection until a deadline.
#[derive(Debug)]
pub(super) struct Timed<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) deadline: Instant,
}

impl Connection {
    pub(super) fn new(stream: Stream, sniffer: ProtocolSniffer) -> Self {
        Self { stream, idle_since: Instant::now(), generation: fork::generation(), sniffer }
    }

    /// Whether this process made it.
    pub(super) fn is_of_this_process(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Whether its peer has neither closed it nor sent something that no request asked for.
    pub(super) fn is_open(&mut self) -> bool {
        let socket = self.stream.socket();
        if socket.set_nonblocking(true).is_err() {
            return false;
        }
        let is_open = match &mut self.stream {
            Stream::Plain(TimedSocket { socket, .. }) => {
                socket.peek().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
            }
            #[cfg(feature = "blocking-tls")]
            Stream::Tls(stream) => is_open_session(stream),
        };
        is_open && self.stream.socket().set_nonblocking(false).is_ok()
    }

    /// Whether an answer has begun, of a connection in plain text.
    fn is_answering(&self) -> bool {
        #[cfg(feature = "blocking-tls")]
        if matches!(self.stream, Stream::Tls(_)) {
            return false;
        }
        let socket = self.stream.socket();
        if socket.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = socket.peek();
        let _ = socket.set_nonblocking(false);
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// As [`Connection::is_open`], of a TLS session: its peer may have sent tickets, which are read.
#[cfg(feature = "blocking-tls")]
fn is_open_session(
    stream: &mut rustls::StreamOwned<rustls::ClientConnection, TimedSocket>,
) -> bool {
    loop {
        match stream.conn.read_tls(&mut stream.sock.socket) {
            Ok(0) => return false,
            Ok(_) => match stream.conn.process_new_packets() {
                Ok(state) if state.peer_has_closed() => return false,
                Ok(state) if state.plaintext_bytes_to_read() > 0 => return false,
                Ok(_) => {}
                Err(_) => return false,
            },
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

impl Stream {
    pub(super) fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => &socket.socket,
            #[cfg(feature = "blocking-tls")]
            Self::Tls(stream) => &stream.sock.socket,
        }
    }

    /// Sets the end of all reads and writes, and the maximum time of one write.
    fn set_times(&mut self, deadline: Instant, write_timeout: Duration) {
        let socket = match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "blocking-tls")]
            Self::Tls(stream) => &mut stream.sock,
        };
        (socket.deadline, socket.write_timeout) = (deadline, write_timeout);
    }
}

impl Timed<'_> {
    /// Writes `bytes`, or ends early because the peer answers before it has read them.
    ///
    /// # Errors
    /// The connection failed, or the deadline passed.
    pub(super) fn write_request(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.connection.is_answering() {
                return Ok(());
            }
            let piece = bytes.get(..PIECE).unwrap_or(bytes);
            match self.write(piece) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
                // The socket's timeout is short, for the look at an early answer.
                Err(error) if is_timeout(&error) && Instant::now() < self.deadline => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush()
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Connection { stream, sniffer, .. } = &mut *self.connection;
        stream.set_times(self.deadline, WRITE_TIMEOUT);
        match stream {
            Stream::Plain(socket) => {
                let read = socket.read(buf);
                match &read {
                    Ok(len) => sniffer.observe(buf.get(..*len).unwrap_or_default()),
                    Err(error) if is_timeout(error) => {}
                    Err(_) => sniffer.observe(&[]),
                }
                read
            }
            #[cfg(feature = "blocking-tls")]
            Stream::Tls(stream) => stream.read(buf),
        }
    }
}

/// One write waits for [`WRITE_TIMEOUT`] at most.
impl Write for Timed<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let stream = &mut self.connection.stream;
        stream.set_times(self.deadline, WRITE_TIMEOUT);
        match stream {
            Stream::Plain(socket) => socket.write(buf),
            #[cfg(feature = "blocking-tls")]
            Stream::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let stream = &mut self.connection.stream;
        stream.set_times(self.deadline, Duration::MAX);
        match stream {
            Stream::Plain(_) => Ok(()),
            #[cfg(feature = "blocking-tls")]
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// Whether a read or write ended by the socket's timeout.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Bytes between two looks at an early answer.
const PIECE: usize = 64 << 10;
const WRITE_TIMEOUT: Duration = Duration::from_millis(50);
