//! A directory of the file system, by path, for systems other than Unix.
//!
//! The access of other users and symbolic links are those of the directory: the spool sets no access
//! control list. The lock is a file that is open without sharing on Windows, and none elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{DirectoryEntry, Storage, StorageFile, positioned};
use crate::SpoolError;

/// A directory of the file system, locked for one process where the system can.
pub struct DirectoryStorage {
    path: PathBuf,
    /// Holds the lock while it is open.
    _lock: File,
}

/// An open file of a [`DirectoryStorage`].
pub struct DirectoryFile {
    file: File,
}

impl DirectoryStorage {
    /// Opens a directory, creates it and its parents if necessary, and locks it.
    ///
    /// # Errors
    /// [`SpoolError::Locked`] if another process has the lock, [`SpoolError::Directory`] if the directory
    /// or its lock file cannot be created or opened.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        let failed = |source: io::Error| SpoolError::Directory { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0);
        let lock =
            options.open(path.join(LOCK_FILE)).map_err(|error| match error.raw_os_error() {
                // ERROR_SHARING_VIOLATION
                Some(32) if cfg!(windows) => SpoolError::Locked { path: path.to_owned() },
                _ => failed(error),
            })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The path that the directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for DirectoryStorage {
    type File = DirectoryFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
            else {
                continue;
            };
            if name != LOCK_FILE {
                let is_regular_file = metadata.is_file();
                entries.push(DirectoryEntry { name, len: metadata.len(), is_regular_file });
            }
        }
        Ok(entries)
    }

    fn create(&mut self, name: &str) -> io::Result<DirectoryFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path.join(name))?;
        Ok(DirectoryFile { file })
    }

    fn open(&self, name: &str) -> io::Result<DirectoryFile> {
        let path = self.path.join(name);
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            file => file?,
        };
        Ok(DirectoryFile { file })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        // std opens no directory for a sync there; NTFS has a journal for its entries.
        Ok(())
    }
}

impl StorageFile for DirectoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        positioned::read_at(&self.file, buffer, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

const LOCK_FILE: &str = "lock";
