//! A port where nobody listens, and nobody will.

use std::io;
use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// An address of this machine that refuses connections for as long as this lives.
///
/// Bound, so that no other process gets the port meanwhile, and not listening. A server that knows
/// the address can be started on it where the system lets addresses be reused (Unix).
#[derive(Debug)]
pub struct ClosedPort {
    socket: TcpSocket,
}

impl ClosedPort {
    /// A port of the loopback interface.
    ///
    /// # Errors
    /// The system has no port or no descriptor to spare.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(cfg!(unix))?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { socket })
    }

    /// The address.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// `http://` and the address.
    ///
    /// # Errors
    /// As [`address`](Self::address).
    pub fn endpoint(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.address()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn connections_are_refused_until_somebody_listens() {
        let port = ClosedPort::new().unwrap();
        let address = port.address().unwrap();
        let refused = || TcpStream::connect(address).unwrap_err().kind();
        assert_eq!(refused(), io::ErrorKind::ConnectionRefused);
        if cfg!(unix) {
            let listener = TcpListener::bind(address).unwrap();
            assert!(TcpStream::connect(address).is_ok());
            drop(listener);
            assert_eq!(refused(), io::ErrorKind::ConnectionRefused);
        }
    }
}
