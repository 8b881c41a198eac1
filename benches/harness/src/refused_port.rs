//! A port that refuses connections.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// A loopback port on which no socket listens, for as long as this value lives.
///
/// The accepted end of a connection occupies the port. A port that is merely free could become the local
/// port of a connection to itself, which Linux then establishes, or another process could take it.
pub(crate) struct RefusedPort {
    _client: TcpStream,
    accepted: TcpStream,
}

impl RefusedPort {
    /// Reserves a port.
    ///
    /// # Errors
    /// The system has no free port, or no loopback interface.
    pub(crate) fn reserve() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (accepted, _) = listener.accept()?;
        Ok(Self { _client: client, accepted })
    }

    /// `http://address:port`.
    pub(crate) fn endpoint(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.accepted.local_addr()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_refused() {
        let port = RefusedPort::reserve().unwrap();
        let endpoint = port.endpoint().unwrap();
        let address = endpoint.strip_prefix("http://").unwrap();
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
