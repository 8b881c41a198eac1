//! A directory of the file system, on Unix: by descriptor, so that a replaced path component or a symbolic
//! link changes no file outside of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};

use super::{DirectoryEntry, Storage, StorageFile, positioned};
use crate::SpoolError;

/// A directory of the file system, locked for one process.
///
/// New directories have mode 0700 and new files 0600. Descriptors close on `exec`. A forked child inherits
/// the lock until it ends or executes a program.
pub struct DirectoryStorage {
    path: PathBuf,
    directory: OwnedFd,
    /// Holds the lock while it is open.
    _lock: OwnedFd,
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
        let (directory, lock) = open_locked(path)?;
        Ok(Self { path: path.to_owned(), directory, _lock: lock })
    }

    /// The path that the directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create_here(&self, name: &str) -> io::Result<DirectoryFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SAFE;
        let descriptor = rustix::fs::openat(&self.directory, name, flags, FILE_MODE)?;
        Ok(DirectoryFile { file: File::from(descriptor) })
    }

    /// Whether the directory was removed after it was opened.
    fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.directory).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

impl Storage for DirectoryStorage {
    type File = DirectoryFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." || name == LOCK_FILE {
                continue;
            }
            // An entry that was removed since is none.
            let Ok(stat) = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            entries.push(DirectoryEntry {
                name: name.to_owned(),
                len: u64::try_from(stat.st_size).unwrap_or(0),
                is_regular_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            });
        }
        Ok(entries)
    }

    fn create(&mut self, name: &str) -> io::Result<DirectoryFile> {
        match self.create_here(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_removed() => {
                let (directory, lock) = open_locked(&self.path).map_err(io::Error::other)?;
                (self.directory, self._lock) = (directory, lock);
                self.create_here(name)
            }
            created => created,
        }
    }

    fn open(&self, name: &str) -> io::Result<DirectoryFile> {
        // Opening a pipe or a device can block or have effects: only regular files are opened, and without
        // waiting, since the entry may change in between.
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let open = |access| {
            rustix::fs::openat(
                &self.directory,
                name,
                access | SAFE | OFlags::NONBLOCK,
                Mode::empty(),
            )
        };
        let descriptor = open(OFlags::RDWR).or_else(|error| match error {
            rustix::io::Errno::ROFS | rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
                open(OFlags::RDONLY)
            }
            error => Err(error),
        })?;
        Ok(DirectoryFile { file: File::from(descriptor) })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }
}

impl StorageFile for DirectoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn is_removed(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 0)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        positioned::read_at(&self.file, buffer, offset)
    }

    fn will_need(&self, offset: u64, len: u64) {
        positioned::will_need(&self.file, offset, len);
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // Bytes of a file without a name are freed when it is closed: they are not stored.
        if self.is_removed()? {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed"));
        }
        Ok(())
    }
}

fn open_locked(path: &Path) -> Result<(OwnedFd, OwnedFd), SpoolError> {
    let failed = |source: io::Error| {
        // The system's error is "File exists" for a file, and "Not a directory" for a link to a directory.
        let kind = path.symlink_metadata().map(|metadata| metadata.file_type());
        let source = match kind {
            Ok(kind) if kind.is_symlink() => io::Error::other(IS_LINK),
            Ok(kind) if !kind.is_dir() => io::Error::other(IS_NO_DIRECTORY),
            _ => source,
        };
        SpoolError::Directory { path: path.to_owned(), source }
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let directory =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | SAFE, Mode::empty())
            .map_err(|error| failed(error.into()))?;
    let open = |name, flags| rustix::fs::openat(&directory, name, flags | SAFE, FILE_MODE);
    let lock = open(LOCK_FILE, OFlags::RDWR | OFlags::CREATE)
        .or_else(|error| match error {
            // Its records are served nevertheless, and a descriptor for reading can have the lock, too.
            rustix::io::Errno::ROFS => {
                open(LOCK_FILE, OFlags::RDONLY).or_else(|_| open(".", OFlags::RDONLY))
            }
            error => Err(error),
        })
        .map_err(|error| failed(error.into()))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((directory, lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(SpoolError::Locked { path: path.to_owned() }),
        Err(error) => Err(failed(error.into())),
    }
}

const LOCK_FILE: &str = "lock";
const IS_LINK: &str = "it is a symbolic link: name its target, or a directory below";
const IS_NO_DIRECTORY: &str = "it is no directory";
/// Read and written by the user of the process only.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const SAFE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW);
