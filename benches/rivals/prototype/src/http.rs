//! OTLP over HTTP/1.1 on one blocking connection.

use crate::exchange::Chunk;
use std::io::{self, Error, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::TcpStream;

/// A connection to a receiver.
pub struct Connection {
    stream: TcpStream,
    authority: String,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects to `http://address:port`.
    pub fn to(endpoint: &str) -> io::Result<Self> {
        let authority = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let authority = authority.trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&authority)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, authority, answer: Vec::with_capacity(4 << 10) })
    }

    /// Sends the chunks as one request, without copying them, and waits for the response.
    pub fn post(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        let spans = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let prefix = prefix(spans);
        let len = prefix.len() + spans;
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\n\
             Content-Length: {len}\r\n\r\n",
            self.authority
        );
        let mut parts = vec![IoSlice::new(head.as_bytes()), IoSlice::new(&prefix)];
        parts.extend(chunks.iter().map(|chunk| IoSlice::new(chunk.bytes.bytes())));
        let mut left = &mut parts[..];
        while !left.is_empty() {
            match self.stream.write_vectored(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.response()
    }

    /// Reads a response to its end; an error unless its status is 200.
    fn response(&mut self) -> io::Result<()> {
        self.answer.clear();
        let invalid = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
        let end = loop {
            let mut bytes = [0; 1 << 10];
            match self.stream.read(&mut bytes)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.answer.extend(bytes.iter().take(read)),
            }
            let head = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(head) = head {
                break head + 4;
            }
        };
        let head = String::from_utf8_lossy(self.answer.get(..end).unwrap_or_default());
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(invalid(status));
        }
        let len = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())?.ok()
        });
        let body = len.ok_or_else(|| invalid("no content-length"))?;
        let missing = (end + body).saturating_sub(self.answer.len());
        self.stream.read_exact(&mut vec![0; missing])
    }
}

/// The bytes of a request in front of `spans` bytes of spans: its resource, its scope, two lengths.
pub fn prefix(spans: usize) -> Vec<u8> {
    let name = delimited(0x0a, b"service.name");
    let value = delimited(0x12, &delimited(0x0a, SERVICE));
    let resource = delimited(0x0a, &delimited(0x0a, &[name, value].concat()));
    let scope = delimited(0x0a, &delimited(0x0a, SERVICE));
    let scope_spans = [field(0x12, scope.len() + spans), scope].concat();
    let len = resource.len() + scope_spans.len() + spans;
    [field(0x0a, len), resource, scope_spans].concat()
}

/// A field with its bytes.
fn delimited(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&field(tag, bytes.len()), bytes].concat()
}

/// The tag and the length of a field.
fn field(tag: u8, mut len: usize) -> Vec<u8> {
    let mut bytes = vec![tag];
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes
}

/// The name of the service, and of the scope.
const SERVICE: &[u8] = b"bench";
