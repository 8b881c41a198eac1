//! The attacks, and the answers that each may get.

use super::bodies::{self, MARKER};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::hostile::{
    DATA, END_HEADERS, Flood, HEADERS, block, connect, exchange, flood, floods, frame, grpc_head,
    head, preface,
};
use std::io::{self, Write as _};
use std::net::SocketAddr;

/// A kind of hostile client.
pub(super) struct Attack {
    pub(super) name: &'static str,
    kind: Kind,
}

enum Kind {
    Flood(Flood),
    /// A request with these bytes, which gets one of these answers: statuses of HTTP, separated by blanks.
    Request(Vec<u8>, &'static str),
    /// As a request, with a body that differs each time.
    Random(fn(&mut SplitMix64) -> Vec<u8>, &'static str),
    /// A connection that is closed after these bytes.
    Abandoned(Vec<u8>),
    /// A request to the port that asks for a token.
    Guarded(Vec<u8>, &'static str),
}

/// The ports of the node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) open: SocketAddr,
    pub(super) guarded: SocketAddr,
}

impl Attack {
    /// Attacks once. Returns what is wrong with the answer.
    pub(super) fn run(&self, target: Target, random: &mut SplitMix64) -> Option<String> {
        let wrong = match &self.kind {
            Kind::Flood(it) => flood(target.open, &it.opening, it.unit).map(|written| {
                (written > MAX_FLOOD).then(|| format!("closed after {written} bytes alone"))
            }),
            Kind::Request(bytes, expected) => answered(target.open, bytes, expected),
            Kind::Random(body, expected) => {
                answered(target.open, &post(PROTOBUF, &body(random)), expected)
            }
            Kind::Abandoned(bytes) => {
                connect(target.open).and_then(|mut stream| stream.write_all(bytes)).map(|()| None)
            }
            Kind::Guarded(bytes, expected) => answered(target.guarded, bytes, expected),
        };
        match wrong {
            Ok(wrong) => wrong.map(|problem| format!("{}: {problem}", self.name)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Some(format!("{}: {error}", self.name))
            }
            // A node may refuse a connection, or reset it before all is written.
            Err(_) => None,
        }
    }
}

/// Sends a request on a connection of its own; returns an answer that is none of `expected`.
fn answered(address: SocketAddr, bytes: &[u8], expected: &str) -> io::Result<Option<String>> {
    let answer = exchange(address, bytes)?;
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    // Without an answer, the node closed the connection; 503 is that of a node that has no memory left.
    let is_right = status.is_none_or(|it| it == "503" || expected.contains(it));
    Ok((!is_right).then(|| format!("{answer:.200?}, not {expected}")))
}

/// All attacks.
///
/// # Errors
/// None: a bomb is made in memory.
pub(super) fn all() -> io::Result<Vec<Attack>> {
    let request = |name, bytes, expected| Attack { name, kind: Kind::Request(bytes, expected) };
    let protobuf = |name, body: &[u8], expected| request(name, post(PROTOBUF, body), expected);
    let json = |name, body: &[u8], expected| request(name, post(JSON, body), expected);
    let coded = |name, coding: &str, body: &[u8], expected| {
        let headers = format!("{PROTOBUF}content-encoding: {coding}\r\n");
        request(name, post(&headers, body), expected)
    };
    let plain = bodies::request(MARKER.as_bytes(), &[7; 16], &[7; 8]);
    let lengths = |name, headers: &str| {
        let bytes = [head(headers).as_bytes(), b"\r\nabc"].concat();
        request(name, bytes, "400")
    };
    let random = |name, body, expected| Attack { name, kind: Kind::Random(body, expected) };
    let guarded = |name, token: &str| {
        let headers = format!("{PROTOBUF}authorization: Bearer {token}\r\n");
        Attack { name, kind: Kind::Guarded(post(&headers, &plain), "400 401") }
    };
    let many = format!("x-{MARKER}: {}\r\n", "y".repeat(100)).repeat(10_000);
    let open = head("content-length: 1000000\r\n\r\n").into_bytes();
    let half_a_body = [open, vec![0; 100_000]].concat();
    let half_a_stream = [
        preface(),
        frame(HEADERS, END_HEADERS, 1, &grpc_head()),
        frame(DATA, 0, 1, &[0; 16_000]).repeat(10),
    ];
    let mut all = vec![
        random("a truncated request", bodies::truncated, "400"),
        random("random bytes", bodies::random, "200 400"),
        protobuf("a length of 2⁶³", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "400"),
        protobuf("a field with the number 0", b"\x02\x00", "400"),
        protobuf("a group that is not closed", b"\x0b\x0b\x0b", "400"),
        protobuf("deep values", &bodies::deep(), "200 400"),
        protobuf("empty groups", &bodies::groups(), "200 400"),
        protobuf("tiny spans", &bodies::tiny_spans(), "200 400"),
        protobuf("an unknown field of a megabyte", &bodies::unknown_field(), "200 400"),
        protobuf("ids of wrong lengths", &bodies::request(b"x", &[7; 15], &[7; 1000]), "200 400"),
        protobuf(
            "a name that is not UTF-8",
            &bodies::request(b"\xff\0", &[7; 16], &[7; 8]),
            "200 400",
        ),
        protobuf("an empty request", b"", "200"),
        json("open arrays", &bodies::open_arrays(), "400"),
        json("deep JSON", &bodies::deep_json(), "400"),
        json("a number of a million digits", &bodies::long_number(), "200 400"),
        coded("a gzip bomb", "gzip", &bodies::gzip_bomb()?, "400 413"),
        coded("a window of 2 GiB", "zstd", bodies::ZSTD_WINDOW, "200 400 413 415"),
        coded("no gzip", "gzip", &plain, "400"),
        coded("an unknown coding", "br", &plain, "400 415"),
        coded("two codings", "gzip, gzip", &plain, "400 415"),
        request("an unknown type", post("content-type: text/html\r\n", &plain), "400 415"),
        lengths("two lengths", "content-length: 3\r\ncontent-length: 4\r\n"),
        lengths("an endless length", "content-length: 99999999999999999999\r\n"),
        lengths("a length and chunks", "transfer-encoding: chunkedx\r\n"),
        request("ten thousand headers", head(&many).into_bytes(), "400 431"),
        request(
            "an unknown path",
            b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
            "404 405",
        ),
        Attack { name: "half a body", kind: Kind::Abandoned(half_a_body) },
        Attack { name: "half a stream", kind: Kind::Abandoned(half_a_stream.concat()) },
        Attack { name: "an unknown method", kind: Kind::Abandoned(unknown_method()) },
        guarded("a wrong token", "wrong"),
        guarded("a long token", &"x".repeat(8_000)),
    ];
    all.extend(floods().into_iter().map(|it| Attack { name: it.name, kind: Kind::Flood(it) }));
    Ok(all)
}

/// A call over gRPC to a service that no receiver has.
fn unknown_method() -> Vec<u8> {
    let headers = block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]);
    [preface(), frame(HEADERS, END_HEADERS, 1, &headers)].concat()
}

/// A request over HTTP/1 on a connection that ends with it. `headers` has its type.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";
/// A few hundred frames, and the buffers of the sockets.
const MAX_FLOOD: usize = 16 << 20;
