//! Frames of HTTP/2 and header blocks, byte by byte.

use super::EXPORT;
use std::io::{self, Read as _};
use std::net::TcpStream;

/// Types of frames.
pub const DATA: u8 = 0;
/// Opens a stream.
pub const HEADERS: u8 = 1;
/// Has no effect since RFC 9113.
pub const PRIORITY: u8 = 2;
/// Ends a stream.
pub const RST_STREAM: u8 = 3;
/// Settings of a connection.
pub const SETTINGS: u8 = 4;
/// Asks for an answer.
pub const PING: u8 = 6;
/// Permits the peer to send more.
pub const WINDOW_UPDATE: u8 = 8;
/// Goes on with a header block.
pub const CONTINUATION: u8 = 9;
/// Flag of the answer to a `PING` or `SETTINGS`.
pub const ACK: u8 = 1;
/// Flag of the last frame of a stream.
pub const END_STREAM: u8 = 1;
/// Flag of the last frame of a header block.
pub const END_HEADERS: u8 = 4;

/// A gRPC message with its prefix.
pub fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut body = vec![flag];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame: Vec<u8> = (payload.len() as u32).to_be_bytes().into_iter().skip(1).collect();
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
///
/// # Panics
/// A name or value has 127 bytes or more.
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
///
/// # Errors
/// The connection is closed, or the receiver writes nothing in time.
pub fn read_frame(stream: &mut TcpStream) -> io::Result<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [a, b, c, kind, flags, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload)?;
    Ok((kind, flags, payload))
}
