//! The listening socket of a receiver.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::path::PathBuf;

use socket2::SockRef;

use crate::error::StartError;
use crate::socket::Socket;
#[cfg(unix)]
use crate::unix_path::UnixPath;

/// Where a receiver listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    #[cfg_attr(not(unix), expect(dead_code, reason = "no Unix sockets"))]
    Unix(PathBuf),
}

/// A bound socket, for the thread that closes it.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, UnixPath),
}

/// The same socket, for the thread that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

/// The handle that crosses from one thread to the other.
#[derive(Debug)]
pub(crate) enum Handle {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Address {
    /// Binds the address. A socket file without a listener, left over from a process that was killed, is
    /// replaced.
    pub fn bind(&self) -> Result<Listening, StartError> {
        match self {
            Self::Tcp(address) => {
                let failed = |source| StartError::Bind { address: *address, source };
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Listening::Tcp(listener))
            }
            #[cfg(unix)]
            Self::Unix(path) => {
                let failed = |source| StartError::BindUnix { path: path.clone(), source };
                let (listener, path) = UnixPath::bind(path).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Listening::Unix(listener, path))
            }
            #[cfg(not(unix))]
            Self::Unix(path) => Err(StartError::BindUnix {
                path: path.clone(),
                source: io::Error::from(io::ErrorKind::Unsupported),
            }),
        }
    }
}

impl Listening {
    /// The bound address; `0.0.0.0:0` of a Unix socket.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            #[cfg(unix)]
            Self::Unix(..) => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        }
    }

    /// A second handle of the socket.
    pub fn handle(&self) -> io::Result<Handle> {
        Ok(match self {
            Self::Tcp(listener) => Handle::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Self::Unix(listener, _) => Handle::Unix(listener.try_clone()?),
        })
    }

    /// Stops accepting connections, and removes the file of a Unix socket.
    pub fn close(&self) {
        // On systems other than Linux this may have no effect; the thread closes the socket too.
        match self {
            Self::Tcp(listener) => _ = SockRef::from(listener).shutdown(Shutdown::Both),
            #[cfg(unix)]
            // No client connects to a socket without its file. A shutdown of it would make `accept` fail as
            // if it only had to wait, and the thread would call it in a loop.
            Self::Unix(_, path) => path.remove(),
        }
    }
}

impl Handle {
    /// Registers the socket with the current runtime.
    pub fn into_listener(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            #[cfg(unix)]
            Self::Unix(listener) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }
}

impl Listener {
    pub async fn accept(&self) -> io::Result<Socket> {
        match self {
            #[cfg(not(unix))]
            Self::Tcp(listener) => Ok(listener.accept().await?.0),
            #[cfg(unix)]
            Self::Tcp(listener) => Ok(Socket::Left(listener.accept().await?.0)),
            #[cfg(unix)]
            Self::Unix(listener) => Ok(Socket::Right(listener.accept().await?.0)),
        }
    }
}
