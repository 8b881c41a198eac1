//! The faults that a test injects into the model.

use std::io;

use super::random::Random;

/// An operation of the storage that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Storage::list`](crate::storage::Storage::list).
    List,
    /// [`Storage::create`](crate::storage::Storage::create).
    Create,
    /// [`Storage::open`](crate::storage::Storage::open).
    Open,
    /// [`Storage::rename`](crate::storage::Storage::rename).
    Rename,
    /// [`Storage::remove`](crate::storage::Storage::remove).
    Remove,
    /// [`Storage::sync_directory`](crate::storage::Storage::sync_directory).
    SyncDirectory,
    /// [`StorageFile::read_at`](crate::storage::StorageFile::read_at).
    Read,
    /// [`StorageFile::write_at`](crate::storage::StorageFile::write_at).
    Write,
    /// [`StorageFile::set_len`](crate::storage::StorageFile::set_len).
    SetLen,
    /// [`StorageFile::sync`](crate::storage::StorageFile::sync).
    Sync,
}

/// Fails `operation` with EIO, once in `one_in` calls on average; 1 fails each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) operation: Operation,
    pub(super) one_in: usize,
    /// How often it fails before it works again.
    pub(super) times: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn check(&mut self, operation: Operation, random: &mut Random) -> io::Result<()> {
        let Some(fault) =
            self.0.iter_mut().find(|fault| fault.operation == operation && fault.times > 0)
        else {
            return Ok(());
        };
        if !random.one_in(fault.one_in) {
            return Ok(());
        }
        fault.times -= 1;
        Err(io::Error::from_raw_os_error(EIO))
    }
}

/// The same number on every Unix, and on Windows another error, which is one too.
const EIO: i32 = 5;
