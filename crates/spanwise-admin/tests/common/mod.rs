//! A provider, its endpoint, and a client that writes raw bytes.

#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use spanwise_admin::AdminEndpoint;
use spanwise_sdk::{Bytes, Outcome, Spanwise};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A provider whose sink accepts everything.
pub fn provider() -> Spanwise {
    let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let builder = Spanwise::builder().with_environment(|_| None).with_sink(accept);
    builder.with_service_name("shop").build().unwrap()
}

pub fn endpoint(spanwise: &Spanwise) -> AdminEndpoint {
    AdminEndpoint::builder().with_address("127.0.0.1:0").build(spanwise).unwrap()
}

/// Sends these bytes and reads until the endpoint closes the connection.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Head and body of the answer to a `GET`.
pub fn get(address: SocketAddr, path: &str, headers: &str) -> (String, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    let answer = exchange(address, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(!head.is_empty(), "{answer:?}");
    (head.to_owned(), body.to_owned())
}
