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
        check(path)?;
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if let Some(problem) = obstacle(path) {
                    return Err(io::Error::new(ErrorKind::AddrInUse, problem));
                }
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        // The process may change its current folder before the file is removed.
        let path = std::path::absolute(path)?;
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

/// Checks what the system would accept in another sense, or reject without the number.
fn check(path: &Path) -> io::Result<()> {
    let len = path.as_os_str().len();
    let problem = match len {
        // Linux would choose a name that no file system has.
        0 => "the path is empty".to_owned(),
        1..MAX_PATH => return Ok(()),
        _ => match SockAddr::unix(path) {
            Ok(_) => return Ok(()),
            Err(_) => {
                format!("the path has {len} bytes, and the most is 103 or 107, by the system")
            }
        },
    };
    Err(io::Error::new(ErrorKind::InvalidInput, problem))
}

/// Why the file at `path` is not replaced; `None` for a socket that refuses connections, because its
/// listener was killed.
fn obstacle(path: &Path) -> Option<&'static str> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Some("a file that is no socket has this path");
    }
    match probe(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Some("another user's socket has this path: Permission denied")
        }
        _ => Some("a process listens there"),
    }
}

/// Connects without blocking: the queue of a listener may be full.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Every system accepts a path below this length.
const MAX_PATH: usize = 100;
