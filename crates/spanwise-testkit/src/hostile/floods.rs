//! Floods: small frames and requests without spans, without an end.

use super::frames::*;
use super::head;

/// An endless sequence of bytes that costs its receiver more than its sender.
#[derive(Debug)]
pub struct Flood {
    /// Its content.
    pub name: &'static str,
    /// The bytes before it.
    pub opening: Vec<u8>,
    /// The bytes of each round.
    pub unit: Unit,
}

/// The bytes of the round with this number.
pub type Unit = fn(u32) -> Vec<u8>;

/// All floods that a receiver has to close.
pub fn floods() -> Vec<Flood> {
    let empty_data: Unit = |_| frame(DATA, 0, 1, &[]).repeat(100);
    let table: Vec<(&'static str, Vec<u8>, Unit)> = vec![
        ("pings", preface(), |_| frame(PING, 0, 0, &[1; 8]).repeat(100)),
        ("ping acknowledgements", preface(), |_| frame(PING, ACK, 0, &[1; 8]).repeat(100)),
        ("settings", preface(), |_| frame(SETTINGS, 0, 0, &[]).repeat(100)),
        ("large settings", preface(), |_| {
            frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0].repeat(2000)).repeat(10)
        }),
        ("priorities", preface(), |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9]).repeat(100)),
        ("window updates", preface(), |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(100)),
        ("unknown frames", preface(), |_| frame(0x77, 0, 0, &[0; 50]).repeat(100)),
        (
            "empty data",
            [preface(), frame(HEADERS, END_HEADERS, 1, &grpc_head())].concat(),
            empty_data,
        ),
        (
            "data of one byte",
            [preface(), frame(HEADERS, END_HEADERS, 1, &grpc_head())].concat(),
            |_| frame(DATA, 0, 1, b"\0").repeat(100),
        ),
        ("padding", [preface(), frame(HEADERS, END_HEADERS, 1, &grpc_head())].concat(), |_| {
            frame(DATA, 8, 1, &[[255].as_slice(), &[0; 255]].concat()).repeat(100)
        }),
        (
            "pings between data",
            [preface(), frame(HEADERS, END_HEADERS, 1, &grpc_head())].concat(),
            |_| [frame(PING, 0, 0, &[0; 8]), frame(DATA, 0, 1, &[0; 128])].concat().repeat(100),
        ),
        ("rapid resets", preface(), |round| {
            let stream = odd(round);
            let head = frame(HEADERS, END_HEADERS, stream, &grpc_head());
            [head, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        }),
        ("endless headers", [preface(), frame(HEADERS, 0, 1, &grpc_head())].concat(), |_| {
            frame(CONTINUATION, 0, 1, &block(&[("x", "y")])).repeat(100)
        }),
        ("empty continuations", [preface(), frame(HEADERS, 0, 1, &grpc_head())].concat(), |_| {
            frame(CONTINUATION, 0, 1, &[]).repeat(100)
        }),
        ("requests to unknown paths", Vec::new(), |_| {
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100)
        }),
        ("empty exports", Vec::new(), |_| head("content-length: 0\r\n\r\n").repeat(100).into()),
        ("empty lines", Vec::new(), |_| b"\r\n".repeat(1000)),
        ("header lines", head("").into_bytes(), |_| b"x: y\r\n".repeat(100)),
        ("one long header", head("x: ").into_bytes(), |_| vec![b'y'; 1000]),
        ("chunk extensions", head("transfer-encoding: chunked\r\n\r\n1;").into_bytes(), |_| {
            vec![b'x'; 1000]
        }),
        ("chunks of one byte", head("transfer-encoding: chunked\r\n\r\n").into_bytes(), |_| {
            b"1\r\nx\r\n".repeat(1000)
        }),
        (
            "chunks of one byte to an unknown path",
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            |_| b"1\r\nx\r\n".repeat(1000),
        ),
        ("trailers", head("transfer-encoding: chunked\r\n\r\n0\r\n").into_bytes(), |_| {
            b"x: y\r\n".repeat(100)
        }),
    ];
    table.into_iter().map(|(name, opening, unit)| Flood { name, opening, unit }).collect()
}

fn odd(round: u32) -> u32 {
    1 + 2 * (round % 1_000_000)
}
