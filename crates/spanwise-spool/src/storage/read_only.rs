//! A directory of the file system that is read and never written.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{DirectoryEntry, Storage, StorageFile, positioned};
use crate::SpoolError;

/// A directory of the file system, for reading alone: without its lock, while another process may write to it.
///
/// Every change is an error of kind [`PermissionDenied`](io::ErrorKind::PermissionDenied).
#[derive(Debug)]
pub struct ReadOnlyDirectory {
    path: PathBuf,
}

/// An open file of a [`ReadOnlyDirectory`].
#[derive(Debug)]
pub struct ReadOnlyFile {
    file: File,
}

impl ReadOnlyDirectory {
    /// Opens a directory that exists.
    ///
    /// # Errors
    /// [`SpoolError::Directory`] if it cannot be listed.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        match std::fs::read_dir(path) {
            Ok(_) => Ok(Self { path: path.to_owned() }),
            Err(source) => Err(SpoolError::Directory { path: path.to_owned(), source }),
        }
    }

    /// The path that the directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for ReadOnlyDirectory {
    type File = ReadOnlyFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // An entry that was removed since is none.
            if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) {
                let is_regular_file = metadata.is_file();
                entries.push(DirectoryEntry { name, len: metadata.len(), is_regular_file });
            }
        }
        Ok(entries)
    }

    fn create(&mut self, _name: &str) -> io::Result<ReadOnlyFile> {
        Err(read_only())
    }

    fn open(&self, name: &str) -> io::Result<ReadOnlyFile> {
        let path = self.path.join(name);
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt as _;
            // The entry may change in between: no link is followed, and no pipe blocks.
            options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        }
        Ok(ReadOnlyFile { file: options.open(path)? })
    }

    fn rename(&mut self, _from: &str, _to: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&mut self, _name: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        Err(read_only())
    }
}

impl StorageFile for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        positioned::read_at(&self.file, buffer, offset)
    }

    fn will_need(&self, offset: u64, len: u64) {
        positioned::will_need(&self.file, offset, len);
    }

    fn write_at(&mut self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn set_len(&mut self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(read_only())
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the directory is open for reading alone")
}
