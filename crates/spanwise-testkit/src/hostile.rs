//! Clients of an OTLP receiver that write raw bytes which no library would send.

mod floods;
mod frames;

pub use floods::{Flood, floods};
pub use frames::*;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The path of an export over HTTP.
pub const TRACES: &str = "/v1/traces";
/// The path of an export over gRPC.
pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The time after which a client has no patience left.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The request line and headers of an HTTP/1 export; `rest` is its other headers and the empty line.
pub fn head(rest: &str) -> String {
    format!("POST {TRACES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n{rest}")
}

/// A connection whose reads and writes end after [`PATIENCE`].
///
/// # Errors
/// The system's.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Writes `bytes` on a new connection and reads until the receiver closes it.
///
/// # Errors
/// There is no connection, or it is open after [`PATIENCE`].
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let mut stream = connect(address)?;
    // The receiver may close it before all bytes are written.
    _ = stream.write_all(bytes);
    until_closed(stream)
}

/// Reads until the receiver closes or resets the connection.
///
/// # Errors
/// It is open after [`PATIENCE`].
pub fn until_closed(mut stream: TcpStream) -> io::Result<String> {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => received.extend_from_slice(piece.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "the connection is still open"));
            }
            Err(_) => break,
        }
    }
    Ok(String::from_utf8_lossy(&received).into_owned())
}

/// Writes `unit` repeatedly until the receiver closes the connection; returns the bytes written.
///
/// # Errors
/// There is no connection, or it is open after [`PATIENCE`].
pub fn flood(
    address: SocketAddr,
    opening: &[u8],
    unit: impl Fn(u32) -> Vec<u8>,
) -> io::Result<usize> {
    let mut stream = connect(address)?;
    stream.write_all(opening)?;
    let mut reader = stream.try_clone()?;
    // The responses are read, because the flood would block otherwise.
    let reading = thread::spawn(move || {
        let mut piece = [0; 4096];
        while matches!(reader.read(&mut piece), Ok(len) if len > 0) {}
    });
    let start = Instant::now();
    let (mut written, mut is_patient) = (0, true);
    for round in 0.. {
        let bytes = unit(round);
        if stream.write_all(&bytes).is_err() {
            break;
        }
        written += bytes.len();
        is_patient = start.elapsed() < PATIENCE;
        if !is_patient {
            break;
        }
    }
    // The reader ends by it.
    let _closed_before = stream.shutdown(std::net::Shutdown::Both);
    let _panicked = reading.join();
    if is_patient {
        return Ok(written);
    }
    let problem = format!("the connection is still open after {written} bytes");
    Err(io::Error::new(ErrorKind::TimedOut, problem))
}
