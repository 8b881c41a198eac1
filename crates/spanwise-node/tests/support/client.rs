//! A client that shares no code with the node: HTTP/1.1 over a socket of std.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    token: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), token: None }
    }

    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sends a request and reads its answer.
    pub fn post(&mut self, body: &[u8]) -> Reply {
        self.try_post(body).unwrap()
    }

    pub fn try_post(&mut self, body: &[u8]) -> std::io::Result<Reply> {
        let token = self.token.as_ref();
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: node\r\ncontent-type: application/x-protobuf\r\n\
             {}content-length: {}\r\n\r\n",
            token.unwrap_or_default(),
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let (mut len, mut retry_after) = (0, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name {
                "content-length" => len = value.parse().unwrap(),
                "retry-after" => retry_after = value.parse().ok(),
                _ => {}
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok(Reply { status, retry_after, body })
    }

    /// Sends a request until it is accepted; returns how often it was refused.
    pub fn post_until_accepted(&mut self, body: &[u8]) -> u64 {
        let until = Instant::now() + super::PATIENCE;
        let mut refused = 0;
        loop {
            let reply = self.post(body);
            match reply.status {
                200 => {
                    // No partial success, also none about an overload.
                    assert_eq!(reply.body, [0; 0]);
                    return refused;
                }
                503 => assert_eq!(reply.retry_after, Some(1)),
                other => panic!("{other}"),
            }
            assert!(Instant::now() < until, "refused {refused} times");
            refused += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
