//! Clients that write raw bytes which no library would send.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use spanwise_receiver::Receiver;

use super::{EXPORT, TRACES, framed};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// The request line and headers of an HTTP/1 export; `rest` is its other headers and the empty line.
pub fn head(rest: &str) -> String {
    format!("POST {TRACES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n{rest}")
}

pub fn connect(receiver: &Receiver) -> TcpStream {
    let stream = TcpStream::connect(receiver.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Writes `bytes` on a new connection and reads until the receiver closes it.
pub fn exchange(receiver: &Receiver, bytes: &[u8]) -> String {
    let mut stream = connect(receiver);
    // The receiver may close it before all bytes are written.
    _ = stream.write_all(bytes);
    until_closed(stream)
}

/// Reads until the receiver closes or resets the connection.
pub fn until_closed(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => received.extend_from_slice(&piece[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                unreachable!("the connection is still open")
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// Writes `unit` repeatedly until the receiver closes the connection; returns the bytes written.
pub fn flood(receiver: &Receiver, opening: &[u8], unit: impl Fn(u32) -> Vec<u8>) -> usize {
    let mut stream = connect(receiver);
    stream.write_all(opening).unwrap();
    let mut reader = stream.try_clone().unwrap();
    // The responses are read, because the flood would block otherwise.
    let reading = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while matches!(reader.read(&mut piece), Ok(len) if len > 0) {}
    });
    let start = Instant::now();
    let mut written = 0;
    for round in 0.. {
        let bytes = unit(round);
        if stream.write_all(&bytes).is_err() {
            break;
        }
        written += bytes.len();
        assert!(start.elapsed() < PATIENCE, "never closed, after {written} bytes");
    }
    drop(stream);
    reading.join().unwrap();
    written
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The preface and empty settings.
pub fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// A header block of plain literals.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            // HPACK: a length below 127 is one byte.
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The headers of a gRPC export.
pub fn grpc_head() -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", EXPORT),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ])
}

/// The same with one header 470 times, one byte each: 16 KiB by the rule of HTTP.
pub fn large_head() -> Vec<u8> {
    // HPACK: a literal that enters the dynamic table, then its index there.
    [grpc_head(), b"\x40\x01x\x01y".to_vec(), vec![0x80 | 62; 469]].concat()
}

/// A complete gRPC export on `stream`.
pub fn grpc_export(stream: u32, message: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &grpc_head());
    [head, frame(DATA, END_STREAM, stream, &framed(0, message))].concat()
}

/// Reads one frame: its kind, its flags and its payload.
pub fn read_frame(stream: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let [a, b, c, kind, flags, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).unwrap();
    (kind, flags, payload)
}

/// Reads the receiver's settings and its first window update; returns its largest accepted frame.
pub fn max_frame(stream: &mut TcpStream) -> usize {
    let (kind, _, payload) = read_frame(stream);
    assert_eq!(kind, SETTINGS);
    let sizes = payload.chunks(6).filter(|setting| setting[..2] == [0, 5]);
    let mut sizes =
        sizes.map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap()) as usize);
    let max = sizes.next_back().unwrap_or(1 << 14);
    while read_frame(stream).0 != WINDOW_UPDATE {}
    max
}
