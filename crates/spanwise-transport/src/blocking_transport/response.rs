//! An HTTP/1.1 response, read from a stream (RFC 9112).

use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::classify::BodyFault;

/// Reads one response from a stream.
#[derive(Debug)]
pub(super) struct ResponseReader<S> {
    stream: S,
    /// Bytes that were read from the stream and not consumed yet.
    buffer: Vec<u8>,
}

/// The head of a response, and the framing of its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    framing: BodyFraming,
    is_persistent: bool,
}

/// The reason why there is no head.
#[derive(Debug)]
pub(super) enum HeadFault {
    /// The stream failed, or ended within the head.
    Io(io::Error),
    /// The head is larger than [`MAX_HEAD`].
    TooLarge,
    /// The bytes are not HTTP/1.
    NotHttp,
}

/// A body as far as it was read.
#[derive(Debug)]
pub(super) struct BodyRead {
    pub(super) bytes: Vec<u8>,
    /// `None`: the body is complete.
    pub(super) fault: Option<BodyFault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyFraming {
    Length(u64),
    Chunked,
    /// Until the end of the stream.
    Close,
}

impl<S: Read> ResponseReader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The stream that is read.
    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads the head of the final response: interim ones (1xx) are skipped.
    pub(super) fn head(&mut self) -> Result<Head, HeadFault> {
        let mut read = 0;
        loop {
            match parse(&self.buffer)? {
                Some((_, len)) if len + read > MAX_HEAD => return Err(HeadFault::TooLarge),
                Some((head, len)) => {
                    self.buffer.drain(..len);
                    read += len;
                    // 101 is final: it changes the protocol, which no request asks for.
                    if head.status.is_informational() && head.status.as_u16() != 101 {
                        continue;
                    }
                    return Ok(head);
                }
                None if self.buffer.len() + read > MAX_HEAD => return Err(HeadFault::TooLarge),
                None => self.fill().map_err(HeadFault::Io)?,
            }
        }
    }

    /// Reads the body of `head`, at most `max` bytes. Returns it and whether the stream can serve another
    /// request.
    pub(super) fn body(&mut self, head: &Head, max: usize) -> (BodyRead, bool) {
        let mut bytes = Vec::new();
        let fault = match head.framing {
            BodyFraming::Length(len) if len > max as u64 => {
                // As many as are of use: those of a failure have a message.
                let _ = self.take(max, &mut bytes);
                Some(BodyFault::TooLarge)
            }
            BodyFraming::Length(len) => self.take(len as usize, &mut bytes).err(),
            BodyFraming::Chunked => self.chunks(max, &mut bytes).err(),
            BodyFraming::Close => self.rest(max, &mut bytes).err(),
        };
        let is_reusable = fault.is_none() && head.is_persistent && self.buffer.is_empty();
        (BodyRead { bytes, fault }, is_reusable)
    }

    /// Appends the next `len` bytes to `out`.
    fn take(&mut self, mut len: usize, out: &mut Vec<u8>) -> Result<(), BodyFault> {
        while len > 0 {
            if self.buffer.is_empty() {
                self.fill().map_err(|error| lost(&error))?;
            }
            let now = len.min(self.buffer.len());
            out.extend(self.buffer.drain(..now));
            len -= now;
        }
        Ok(())
    }

    /// Appends everything up to the end of the stream.
    fn rest(&mut self, max: usize, out: &mut Vec<u8>) -> Result<(), BodyFault> {
        loop {
            out.append(&mut self.buffer);
            if out.len() > max {
                out.truncate(max);
                return Err(BodyFault::TooLarge);
            }
            match self.fill() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// Appends the content of all chunks (RFC 9112, 7.1), and skips the trailers.
    fn chunks(&mut self, max: usize, out: &mut Vec<u8>) -> Result<(), BodyFault> {
        loop {
            let line = self.line()?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let size = std::str::from_utf8(size).ok().filter(|it| !it.starts_with('+'));
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            let Some(size) = size else {
                return Err(BodyFault::Lost("a chunk of the answer has no length".to_owned()));
            };
            if size == 0 {
                break;
            }
            let space = max - out.len();
            if size > space as u64 {
                let _ = self.take(space, out);
                return Err(BodyFault::TooLarge);
            }
            self.take(size as usize, out)?;
            if !self.line()?.is_empty() {
                return Err(BodyFault::Lost("a chunk of the answer has no end".to_owned()));
            }
        }
        let mut trailers = 0;
        loop {
            match self.line()?.len() {
                0 => return Ok(()),
                len => trailers += len,
            }
            if trailers > MAX_HEAD {
                return Err(BodyFault::TooLarge);
            }
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Vec<u8>, BodyFault> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                line.pop_if(|last| *last == b'\r');
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(BodyFault::TooLarge);
            }
            self.fill().map_err(|error| lost(&error))?;
        }
    }

    /// Reads more bytes into the buffer; the end of the stream is an error.
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => {
                    self.buffer.extend_from_slice(bytes.get(..len).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The head at the beginning of `bytes` and its length; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadFault> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::TooLarge),
        Err(_) => return Err(HeadFault::NotHttp),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(version)) = (status, response.version) else {
        return Err(HeadFault::NotHttp);
    };
    let mut headers = HeaderMap::new();
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(HeadFault::NotHttp) };
        headers.append(name, value);
    }
    let framing = framing(status, &headers).ok_or(HeadFault::NotHttp)?;
    let is_persistent =
        version == 1 && framing != BodyFraming::Close && !has_token(&headers, CONNECTION, "close");
    Ok(Some((Head { status, headers, framing, is_persistent }, len)))
}

/// The framing of a body (RFC 9112, 6.3). `None`: the lengths contradict each other.
fn framing(status: StatusCode, headers: &HeaderMap) -> Option<BodyFraming> {
    if matches!(status.as_u16(), 100..=199 | 204 | 304) {
        return Some(BodyFraming::Length(0));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // With a length too, a proxy in between may have framed the body by that (RFC 9112, 6.3).
        let is_clear = !headers.contains_key(CONTENT_LENGTH);
        let is_chunked = has_token(headers, TRANSFER_ENCODING, "chunked");
        return is_clear.then_some(if is_chunked {
            BodyFraming::Chunked
        } else {
            BodyFraming::Close
        });
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for member in value.to_str().ok()?.split(',') {
            let member = member.trim();
            let is_number = !member.is_empty() && member.bytes().all(|it| it.is_ascii_digit());
            let number = is_number.then(|| member.parse::<u64>().ok()).flatten()?;
            if length.replace(number).is_some_and(|other| other != number) {
                return None;
            }
        }
    }
    Some(length.map_or(BodyFraming::Close, BodyFraming::Length))
}

/// Whether a header's list ends with `token` (that of codings), or has it (that of options).
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut members = values.flat_map(|value| value.split(','));
    members.any(|member| member.trim().eq_ignore_ascii_case(token))
}

fn lost(error: &io::Error) -> BodyFault {
    BodyFault::Lost(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => OUT_OF_TIME.to_owned(),
        _ => "the connection was lost before the answer ended".to_owned(),
    })
}

impl BodyRead {
    /// The body for the classification: whole or its fault.
    pub(super) fn into_result(self) -> Result<Bytes, BodyFault> {
        self.fault.map_or(Ok(self.bytes.into()), Err)
    }
}

const OUT_OF_TIME: &str = "the answer had not ended when the attempt's time was up";
/// Largest head of a response.
const MAX_HEAD: usize = 64 << 10;
/// Most header fields of a response.
const MAX_FIELDS: usize = 100;
/// Bytes of one read.
const READ: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns its pieces one by one, and then its end.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let Some(first) = self.0.first_mut() else { return Ok(0) };
            let len = first.len().min(buf.len());
            buf[..len].copy_from_slice(&first[..len]);
            *first = &first[len..];
            if first.is_empty() {
                self.0.remove(0);
            }
            Ok(len)
        }
    }

    type Exchange = (u16, Vec<u8>, Option<BodyFault>, bool);

    fn read(response: &[u8], step: usize, max: usize) -> Result<Exchange, HeadFault> {
        let mut reader = ResponseReader::new(Pieces(response.chunks(step).collect()));
        let head = reader.head()?;
        let (body, is_reusable) = reader.body(&head, max);
        Ok((head.status.as_u16(), body.bytes, body.fault, is_reusable))
    }

    #[test]
    fn a_response_is_framed_as_the_specification_requires() {
        let cases: [(&str, &str, bool); 14] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\ncontent-length: 3\r\n\r\nabc",
                "abc",
                true,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive, Close\r\n\r\nabc",
                "abc",
                false,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false),
            ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                "abc0123456789",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
                "",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "abc", false),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                "x",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", "x", false),
            ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", "x", true),
            ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "x", true),
        ];
        for (response, body, reusable) in cases {
            let (_, read, fault, is_reusable) =
                read(response.as_bytes(), response.len(), 100).unwrap();
            assert_eq!((&read[..], fault), (body.as_bytes(), None), "{response}");
            assert_eq!(is_reusable, reusable, "{response}");
        }
    }

    #[test]
    fn an_answer_that_is_not_http_or_too_large_is_none() {
        let large = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD / 25 + 2);
        for response in [&large, &many, &interim] {
            let fault = read(response.as_bytes(), 1000, 100).unwrap_err();
            assert!(matches!(fault, HeadFault::TooLarge), "{fault:?}");
        }
        for response in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            let fault = read(response.as_bytes(), 1000, 100).unwrap_err();
            assert!(matches!(fault, HeadFault::NotHttp), "{response}: {fault:?}");
        }
        for response in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
            let fault = read(response.as_bytes(), 1000, 100).unwrap_err();
            assert!(matches!(fault, HeadFault::Io(_)), "{response}: {fault:?}");
        }
    }

    #[test]
    fn a_body_is_read_up_to_its_limit() {
        let length = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
        let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nxyz", u64::MAX);
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nxyz";
        let close = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2000));
        for response in [&length, &huge, chunked, &close] {
            let (_, body, fault, is_reusable) = read(response.as_bytes(), 512, 1000).unwrap();
            assert_eq!(fault, Some(BodyFault::TooLarge), "{response}");
            assert!(body.len() <= 1000 && !is_reusable);
        }
        for response in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
        ] {
            let (_, _, fault, is_reusable) = read(response.as_bytes(), 512, 1000).unwrap();
            assert!(matches!(fault, Some(BodyFault::Lost(_))), "{response}: {fault:?}");
            assert!(!is_reusable);
        }
    }

    proptest! {
        /// However the bytes are split over reads.
        #[test]
        fn a_response_is_the_same_at_any_split(
            body in "[a-z]{0,50}",
            chunked in any::<bool>(),
            step in 1usize..20,
        ) {
            let response = match chunked {
                true => {
                    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
                    let chunk = if body.is_empty() { String::new() } else { chunk };
                    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
                }
                false => {
                    let len = body.len();
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}")
                }
            };
            let exchange = read(response.as_bytes(), step, 100).unwrap();
            prop_assert_eq!(exchange, (200, body.into_bytes(), None, true));
        }

        /// Of any bytes.
        #[test]
        fn no_response_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
            let _ = read(&bytes, step, 100);
            let answered = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat();
            let _ = read(&answered, step, 100);
        }
    }
}
