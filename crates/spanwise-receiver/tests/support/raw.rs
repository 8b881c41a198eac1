//! Clients that write raw bytes which no library would send.
#![allow(dead_code, clippy::unwrap_used)]

use std::net::TcpStream;

use spanwise_receiver::Receiver;
use spanwise_testkit::hostile;

// The functions below take a receiver instead of an address.
pub use hostile::*;

pub fn connect(receiver: &Receiver) -> TcpStream {
    hostile::connect(receiver.address()).unwrap()
}

/// Writes `bytes` on a new connection and reads until the receiver closes it.
pub fn exchange(receiver: &Receiver, bytes: &[u8]) -> String {
    hostile::exchange(receiver.address(), bytes).unwrap()
}

/// Reads until the receiver closes or resets the connection.
pub fn until_closed(stream: TcpStream) -> String {
    hostile::until_closed(stream).unwrap()
}

/// Writes `unit` repeatedly until the receiver closes the connection; returns the bytes written.
pub fn flood(receiver: &Receiver, opening: &[u8], unit: impl Fn(u32) -> Vec<u8>) -> usize {
    hostile::flood(receiver.address(), opening, unit).unwrap()
}

/// Reads one frame: its kind, its flags and its payload.
pub fn read_frame(stream: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    hostile::read_frame(stream).unwrap()
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
