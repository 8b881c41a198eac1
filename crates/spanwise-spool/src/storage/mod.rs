//! The files of one directory, as the spool uses them: a real directory, or a model of one in tests.

use std::io;

#[cfg(not(unix))]
mod directory_other;
#[cfg(unix)]
mod directory_unix;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod positioned;
mod read_only;

#[cfg(not(unix))]
pub use directory_other::{DirectoryFile, DirectoryStorage};
#[cfg(unix)]
pub use directory_unix::{DirectoryFile, DirectoryStorage};
pub use read_only::{ReadOnlyDirectory, ReadOnlyFile};

/// The files of one directory. Names are plain file names without a separator.
///
/// A new or renamed file survives a crash of the system once [`sync_directory`](Self::sync_directory)
/// returned; its bytes once [`StorageFile::sync`] did.
pub trait Storage: Send {
    /// An open file.
    type File: StorageFile;

    /// Lists the entries, in no particular order.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<DirectoryEntry>>;

    /// Creates a file for reading and writing.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the name has an entry of any type; otherwise
    /// the error of the system.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Opens a regular file for reading and writing, or only for reading where the system forbids more.
    /// Follows no symbolic link.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such entry;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is no regular file.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Renames a file and replaces an existing one.
    ///
    /// # Errors
    /// The error of the system.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The error of the system.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals survive a crash of the system.
    ///
    /// # Errors
    /// The error of the system. The spool does not assume that a second call succeeds for the same change.
    fn sync_directory(&mut self) -> io::Result<()>;
}

/// An open file of a [`Storage`].
pub trait StorageFile: Send {
    /// The length in bytes.
    ///
    /// # Errors
    /// The error of the system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Whether the file has lost its name since it was opened: what is written to it is freed once it is closed. Default: `false`, for
    /// systems where an open file cannot be removed.
    ///
    /// # Errors
    /// The error of the system.
    fn is_removed(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Reads at an offset and returns the count of bytes, which is less than the buffer's length at the
    /// end of the file only.
    ///
    /// # Errors
    /// The error of the system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Has the system begin to read these bytes, if it can: it reads several files at the same time then.
    fn will_need(&self, offset: u64, len: u64) {
        let _only_a_hint = (offset, len);
    }

    /// Writes all bytes at an offset, and fills a gap before it with zeros.
    ///
    /// # Errors
    /// The error of the system; any part of the bytes may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// The error of the system.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Makes the bytes and the length survive a crash of the system.
    ///
    /// # Errors
    /// The error of the system. The state of unsynced bytes is unknown then, also after a later call that
    /// succeeds, since systems mark pages as clean whose write failed: the spool never calls it again.
    fn sync(&mut self) -> io::Result<()>;
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The file name; a name that is not UTF-8 is not listed.
    pub name: String,
    /// The length in bytes.
    pub len: u64,
    /// Whether it is a regular file: not a directory, symbolic link, pipe or device.
    pub is_regular_file: bool,
}
