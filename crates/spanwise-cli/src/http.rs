//! One GET request over HTTP/1.1, bounded in time and bytes.

use crate::address::Address;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// The reason why there is no answer.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The host name has no address.
    Resolve(io::Error),
    Connect(io::Error),
    /// The connection ended early, or the deadline passed.
    Read(io::Error),
    /// Another status than 200, with its line.
    Status(String),
    /// No HTTP, or an encoding that was not asked for.
    Malformed(&'static str),
    /// The answer has more bytes than any process sends.
    TooLong,
}

/// The body of the answer.
///
/// # Errors
/// See [`FetchError`]. It returns within [`DEADLINE`], the resolution of the host name not counted.
pub(crate) fn get(address: &Address) -> Result<Vec<u8>, FetchError> {
    let until = Instant::now() + DEADLINE;
    let mut connection = connect(address, until)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        address.path(),
        address.authority()
    );
    connection.set_write_timeout(Some(DEADLINE)).map_err(FetchError::Connect)?;
    connection.write_all(request.as_bytes()).map_err(FetchError::Read)?;
    body(&read(&mut connection, until)?)
}

fn connect(address: &Address, until: Instant) -> Result<TcpStream, FetchError> {
    let addresses: Vec<SocketAddr> =
        address.host_and_port().to_socket_addrs().map_err(FetchError::Resolve)?.collect();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(until)) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(FetchError::Connect(last))
}

/// Reads until the end of the connection.
fn read(connection: &mut TcpStream, until: Instant) -> Result<Vec<u8>, FetchError> {
    let mut response = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        // A peer that sends a byte at a time does not prolong the deadline.
        connection.set_read_timeout(Some(left(until))).map_err(FetchError::Read)?;
        let count = match connection.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FetchError::Read(error)),
        };
        if count == 0 {
            return Ok(response);
        }
        response.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if response.len() > MAX_RESPONSE {
            return Err(FetchError::TooLong);
        }
        if is_complete(&response) {
            return Ok(response);
        }
    }
}

/// The time until the deadline; a timeout of zero is none.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// Whether the body has the length of its header: not every server closes the connection when asked to.
fn is_complete(response: &[u8]) -> bool {
    let Some((head, body)) = split(response) else { return false };
    header(head, "content-length")
        .and_then(|it| it.parse().ok())
        .is_some_and(|it: usize| body.len() >= it)
}

/// The body of a response with the status 200.
fn body(response: &[u8]) -> Result<Vec<u8>, FetchError> {
    let (head, body) = split(response).ok_or(FetchError::Malformed("the answer is no HTTP/1.1"))?;
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.splitn(3, ' ');
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Err(FetchError::Malformed("the answer is no HTTP/1.1"));
    }
    if words.next() != Some("200") {
        let status = line.split_once(' ').map(|(_, status)| status).unwrap_or_default();
        return Err(FetchError::Status(status.chars().take(MAX_STATUS).collect()));
    }
    if header(head, "content-encoding").is_some() {
        return Err(FetchError::Malformed("the answer is compressed, which was not asked for"));
    }
    match (header(head, "transfer-encoding"), header(head, "content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => {
            chunks(body).ok_or(FetchError::Malformed("a chunk of the answer is cut short"))
        }
        (Some(_), _) => Err(FetchError::Malformed("the transfer encoding is not `chunked`")),
        (None, Some(length)) => {
            let length = length
                .parse()
                .map_err(|_| FetchError::Malformed("the length of the answer is no number"))?;
            let whole: Option<&[u8]> = body.get(..length);
            whole.map(<[u8]>::to_vec).ok_or(FetchError::Malformed("the answer is cut short"))
        }
        (None, None) => Ok(body.to_vec()),
    }
}

/// Head and body, if the head is complete and readable.
fn split(response: &[u8]) -> Option<(&str, &[u8])> {
    let at = response.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = response.split_at(at);
    Some((std::str::from_utf8(head).ok()?, rest.get(4..)?))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields
        .map(|(key, value)| (key, value.trim()))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The data of all chunks; the bytes are bounded by those of the response.
fn chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(body.get(..end)?).ok()?;
        let size = line.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|&size| size <= MAX_RESPONSE)?;
        let chunk = body.get(end + 2..)?;
        if size == 0 {
            return Some(data);
        }
        data.extend_from_slice(chunk.get(..size)?);
        body = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

impl FetchError {
    /// The remedy.
    pub(crate) fn fix(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "check the host of the URL",
            Self::Connect(_) => {
                "check that the process runs, that it has the endpoint of `spanwise-admin`, and the port of the URL"
            }
            Self::Read(_) => {
                "check that this is the port of `spanwise-admin`, and that the process is not stopped"
            }
            Self::Status(_) => {
                "check the path of the URL: the endpoint of `spanwise-admin` has /debug/spanwise.json"
            }
            Self::Malformed(_) | Self::TooLong => "check that this is the port of `spanwise-admin`",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the host has no address: {error}"),
            Self::Connect(error) => write!(f, "the connection failed: {error}"),
            Self::Read(error) if is_timeout(error) => {
                write!(f, "the answer is not complete after {} s", DEADLINE.as_secs())
            }
            Self::Read(error) => write!(f, "the connection ended: {error}"),
            Self::Status(status) => write!(f, "the process answers {status:?}"),
            Self::Malformed(problem) => f.write_str(problem),
            Self::TooLong => write!(f, "the answer has more than {MAX_RESPONSE} bytes"),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The time for a request, from the connection to the last byte.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of an answer; that of a process has up to 80 KiB with recent traces.
const MAX_RESPONSE: usize = 1 << 20;
/// Letters of a status line in an error.
const MAX_STATUS: usize = 60;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread::{self, JoinHandle};

    /// A server that answers one connection with these bytes and closes it; the thread returns the request.
    fn serve(answer: Vec<u8>) -> (Address, JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let thread = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let _refused_if_too_long = connection.write_all(&answer);
            String::from_utf8(request).unwrap()
        });
        (address, thread)
    }

    fn answer(head: &str, body: &str) -> Result<String, String> {
        let (address, thread) = serve(format!("{head}\r\n\r\n{body}").into_bytes());
        let answer = get(&address).map_err(|error| error.to_string());
        assert!(
            thread
                .join()
                .unwrap()
                .starts_with("GET /debug/spanwise.json HTTP/1.1\r\nHost: 127.0.0.1:")
        );
        answer.map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_body_has_its_length_its_chunks_or_the_end_of_the_connection() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}rest").unwrap(), "{}");
        assert_eq!(answer("HTTP/1.1 200 OK", "{}").unwrap(), "{}");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
        assert_eq!(answer(chunked, "1;x=y\r\n{\r\n1\r\n}\r\n0\r\n\r\n").unwrap(), "{}");
    }

    #[test]
    fn an_answer_that_is_not_accepted_is_named() {
        for (head, body, problem) in [
            ("HTTP/1.1 404 Not\u{1b} Found", "", "the process answers \"404 Not\\u{1b} Found\""),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9", "{}", "the answer is cut short"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1", "{}", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", "{}", "compressed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "9\r\n{}", "cut short"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "ffffffffffffffff\r\n", "cut short"),
            ("SSH-2.0-x", "", "no HTTP/1.1"),
            ("", "", "no HTTP/1.1"),
        ] {
            let error = answer(head, body).unwrap_err();
            assert!(error.contains(problem), "{head}: {error}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_cut_off() {
        let (address, thread) = serve(vec![b'x'; MAX_RESPONSE + 2]);
        assert!(matches!(get(&address), Err(FetchError::TooLong)));
        thread.join().unwrap();
    }

    #[test]
    fn a_closed_port_and_an_unknown_host_have_a_fix() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        drop(listener);
        let error = get(&address).unwrap_err();
        assert!(matches!(error, FetchError::Connect(_)), "{error}");
        assert!(error.fix().contains("spanwise-admin"));
    }
}
