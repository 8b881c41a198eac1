//! A tunnel through a proxy: `CONNECT` (RFC 9110, 9.3.6).

use std::io;

#[cfg(feature = "tokio")]
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::ResponseStatus;
use crate::proxy::Proxy;

/// Why a proxy made no tunnel.
#[derive(Debug)]
pub(crate) enum TunnelError {
    Io(io::Error),
    /// It answered with another status than a success.
    Refused(u16),
    /// Its answer is not HTTP/1.1, or its head is too large.
    NotHttp,
}

impl TunnelError {
    /// Whether a read or a write of a stream that blocks ended by its timeout.
    pub(crate) fn is_timeout(&self) -> bool {
        use io::ErrorKind::{TimedOut, WouldBlock};
        matches!(self, Self::Io(error) if matches!(error.kind(), TimedOut | WouldBlock))
    }

    /// The problem as a clause, without text of the proxy.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "it closed the connection before an answer came".to_owned()
            }
            Self::Io(error) => crate::tcp::os_message(error),
            Self::Refused(407) => "it requires credentials that it accepts (HTTP 407)".to_owned(),
            Self::Refused(status) => {
                format!("it refused the tunnel: {}", ResponseStatus::Http(*status).with_reason())
            }
            Self::NotHttp => "its answer is not HTTP/1.1".to_owned(),
        }
    }
}

/// The request for a tunnel to `port` of `host`, a name or an address without brackets.
fn request(proxy: &Proxy, host: &str, port: u16) -> Vec<u8> {
    let target =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization() {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The head of a proxy's answer, byte by byte: a connection is made rarely, and nothing may be read ahead of
/// the tunnel.
struct Answer(Vec<u8>);

impl Answer {
    fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    /// Takes the next byte. Returns whether the tunnel is open.
    fn push(&mut self, byte: u8) -> Result<bool, TunnelError> {
        self.0.push(byte);
        if !self.0.ends_with(b"\r\n\r\n") {
            return if self.0.len() >= MAX_HEAD { Err(TunnelError::NotHttp) } else { Ok(false) };
        }
        match status(&self.0) {
            Some(200..=299) => Ok(true),
            Some(status) => Err(TunnelError::Refused(status)),
            None => Err(TunnelError::NotHttp),
        }
    }
}

/// Asks the proxy at the other end of `stream` for a tunnel to `port` of `host`, a name or an address
/// without brackets. Reads no byte beyond the head of its answer: the next one belongs to the tunnel.
#[cfg(feature = "tokio")]
pub(crate) async fn open<S>(
    stream: &mut S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&request(proxy, host, port)).await.map_err(TunnelError::Io)?;
    stream.flush().await.map_err(TunnelError::Io)?;
    let mut answer = Answer::new();
    while !answer.push(stream.read_u8().await.map_err(TunnelError::Io)?)? {}
    Ok(())
}

/// As [`open`], on a stream that blocks.
pub(crate) fn open_blocking(
    stream: &mut (impl io::Read + io::Write),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), TunnelError> {
    stream.write_all(&request(proxy, host, port)).map_err(TunnelError::Io)?;
    stream.flush().map_err(TunnelError::Io)?;
    let (mut answer, mut byte) = (Answer::new(), [0]);
    loop {
        stream.read_exact(&mut byte).map_err(TunnelError::Io)?;
        if answer.push(byte[0])? {
            return Ok(());
        }
    }
}

/// The status of a response's head (RFC 9112, 4).
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = line.split_first()?;
    let (space, rest) = rest.split_first()?;
    let (digits, after) = rest.split_at_checked(3)?;
    let ends = matches!(after.first(), Some(b' ' | b'\r'));
    let digits = std::str::from_utf8(digits).ok()?;
    (minor.is_ascii_digit() && *space == b' ' && ends).then(|| digits.parse().ok()).flatten()
}

const MAX_HEAD: usize = 8 << 10;

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests {
    use super::*;

    /// Opens a tunnel through a proxy that answers with `answer`; returns also what it received and what
    /// is left to read.
    async fn through(
        url: &str,
        host: &str,
        answer: &[u8],
    ) -> (Result<(), String>, String, Vec<u8>) {
        let proxy = Proxy::parse("S", url).unwrap();
        let (mut near, mut far) = tokio::io::duplex(64 << 10);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let opened = open(&mut near, &proxy, host, 4318).await;
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        drop(near);
        let mut asked = String::new();
        far.read_to_string(&mut asked).await.unwrap();
        (opened.map_err(|error| error.problem()), asked, rest)
    }

    #[tokio::test]
    async fn a_success_opens_the_tunnel_and_leaves_its_bytes() {
        let answer = b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\nfirst bytes";
        let (opened, asked, rest) = through("http://p", "c.example", answer).await;
        assert_eq!(opened, Ok(()));
        assert_eq!(asked, "CONNECT c.example:4318 HTTP/1.1\r\nHost: c.example:4318\r\n\r\n");
        assert_eq!(rest, b"first bytes");
        let (opened, asked, _) = through("http://u:p@p", "::1", b"HTTP/1.0 204\r\n\r\n").await;
        assert_eq!(opened, Ok(()));
        assert!(asked.starts_with("CONNECT [::1]:4318 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn another_answer_is_an_error_without_its_text() {
        let long = [b"HTTP/1.1 200 ".as_slice(), &[b'x'; 9 << 10]].concat();
        for (answer, problem) in [
            (&b"HTTP/1.1 407 hunter2\r\n\r\n"[..], "requires credentials"),
            (b"HTTP/1.1 403 hunter2\r\n\r\n", "403"),
            (b"HTTP/1.1 301 hunter2\r\n\r\n", "301"),
            (b"HTTP/2 200\r\n\r\n", "not HTTP/1.1"),
            (b"HTTP/1.1 2000\r\n\r\n", "not HTTP/1.1"),
            (b"SSH-2.0-hunter2\r\n\r\n", "not HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
            (b"", "closed the connection"),
            (&long, "not HTTP/1.1"),
        ] {
            let (opened, _, _) = through("http://p", "c", answer).await;
            let problem_of = opened.unwrap_err();
            assert!(
                problem_of.contains(problem) && !problem_of.contains("hunter2"),
                "{problem_of}"
            );
        }
    }
}
