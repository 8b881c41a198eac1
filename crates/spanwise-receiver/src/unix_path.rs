//! The file of a Unix socket.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file that a listener made.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    /// Device and inode: another process may have replaced the file since.
    file: Option<(u64, u64)>,
}

impl UnixPath {
    /// Binds `path`, and replaces a socket there that nothing listens on.
    pub fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path) => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        let path = path.to_owned();
        let file = identity(&path);
        Ok((listener, Self { path, file }))
    }

    /// Removes the file, if it is still the one that the listener made.
    pub fn remove(&self) {
        if self.file.is_some() && identity(&self.path) == self.file {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Whether `path` is a socket that refuses connections: its listener was killed.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && probe(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Connects without blocking: the queue of a listener may be full.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}
