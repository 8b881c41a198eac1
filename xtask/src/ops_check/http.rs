//! One GET request to a server on loopback.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The body of the response.
///
/// # Errors
/// The server cannot be reached, does not answer in time, or answers with another status than 200.
pub(super) fn get(address: SocketAddr, path: &str, timeout: Duration) -> Result<String, String> {
    let response = exchange(address, path, timeout).map_err(|error| format!("{path}: {error}"))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(format!("{path}: {}\n{body:.500}", head.lines().next().unwrap_or_default())),
    }
}

fn exchange(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, timeout)?;
    connection.set_read_timeout(Some(timeout))?;
    // HTTP/1.0: the body is not in chunks, and its end is that of the connection.
    write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut response = String::new();
    connection.take(MAX_RESPONSE).read_to_string(&mut response)?;
    Ok(response)
}

/// The text with all bytes but letters and digits as `%XX`, for a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte.is_ascii_alphanumeric() {
            true => encoded.push(byte.into()),
            false => {
                let _infallible = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

const MAX_RESPONSE: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
    }
}
