//! A port without a listener.

use std::io;
use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// A bound loopback port that refuses connections until this is dropped.
///
/// The socket is bound, so that no other process gets the port, and does not listen. A test can start
/// a server on the address where the system allows reuse of addresses (Unix).
#[derive(Debug)]
pub struct ClosedPort {
    socket: TcpSocket,
}

impl ClosedPort {
    /// Binds a free port of the loopback interface.
    ///
    /// # Errors
    /// If the system has no port or descriptor left.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(cfg!(unix))?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { socket })
    }

    /// The bound address.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// [`address`](Self::address) as a URL: `http://127.0.0.1:PORT`.
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
    fn connections_are_refused_without_a_listener() {
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
