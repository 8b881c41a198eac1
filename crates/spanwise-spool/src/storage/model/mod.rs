//! A storage in memory that loses at a crash what was not synced: for tests and simulators.
//!
//! A process that is killed loses no page cache, so that no number of killed processes shows a missing `fsync`. This model
//! does: after [`CrashPoint::power_failure`], each page that was not synced is old, new or torn, each file has one of the
//! lengths that it had, and each change of the directory that no `sync_directory` followed has happened or not, in any order.

mod disk;
mod faults;
mod inode;
mod random;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{DirectoryEntry, Storage, StorageFile};
use disk::Disk;
use faults::{Fault, Faults};
use random::Random;

pub use faults::Operation;

/// A directory in memory. Clones share it, as file handles do.
#[derive(Clone, Debug)]
pub struct ModelStorage {
    shared: Arc<Shared>,
}

/// An open file of a [`ModelStorage`].
#[derive(Debug)]
pub struct ModelFile {
    shared: Arc<Shared>,
    inode: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when syncs are released.
    released: Condvar,
}

#[derive(Debug)]
struct State {
    disk: Disk,
    random: Random,
    faults: Faults,
    operations: u64,
    /// The count of operations of which one is followed by a crash point; 0 records none.
    record_one_in: usize,
    points: Vec<CrashPoint>,
    holds_syncs: bool,
    waiting_syncs: usize,
    failed_syncs: BTreeSet<u64>,
    syncs_after_failure: u64,
}

/// The state of the disk and the page cache after one operation, at which a crash can happen.
#[derive(Clone, Debug)]
pub struct CrashPoint {
    disk: Disk,
    operation: Operation,
    number: u64,
}

impl ModelStorage {
    /// An empty directory. `seed` decides which calls a fault with a probability fails, and what a failed sync loses.
    pub fn new(seed: u64) -> Self {
        Self::of(Disk::new(), seed)
    }

    fn of(disk: Disk, seed: u64) -> Self {
        let state = State {
            disk,
            random: Random::new(seed),
            faults: Faults::default(),
            operations: 0,
            record_one_in: 0,
            points: Vec::new(),
            holds_syncs: false,
            waiting_syncs: 0,
            failed_syncs: BTreeSet::new(),
            syncs_after_failure: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), released: Condvar::new() }) }
    }

    /// Records a crash point after one of `one_in` operations that change the storage, chosen by the seed; 0 records none.
    pub fn record_crash_points(&self, one_in: usize) {
        self.shared.lock().record_one_in = one_in;
    }

    /// The crash points recorded since the last call.
    pub fn take_crash_points(&self) -> Vec<CrashPoint> {
        std::mem::take(&mut self.shared.lock().points)
    }

    /// A crash point at this moment.
    pub fn crash_point(&self) -> CrashPoint {
        let state = self.shared.lock();
        CrashPoint {
            disk: state.disk.clone(),
            operation: Operation::List,
            number: state.operations,
        }
    }

    /// Fails the next `times` calls of `operation` with EIO, each with a probability of 1 in `one_in`.
    pub fn fail(&self, operation: Operation, one_in: usize, times: u32) {
        self.shared.lock().faults.push(Fault { operation, one_in: one_in.max(1), times });
    }

    /// Ends all faults, the limit of the capacity and the read-only mode.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.faults.clear();
        state.disk.capacity = u64::MAX;
        state.disk.is_read_only = false;
    }

    /// Limits the capacity of the disk, in bytes: a write beyond it fails with ENOSPC and may store its beginning.
    pub fn set_capacity(&self, bytes: u64) {
        self.shared.lock().disk.capacity = bytes;
    }

    /// Makes every change fail with EROFS, or ends that.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.shared.lock().disk.is_read_only = is_read_only;
    }

    /// Blocks each sync of a file until [`release_syncs`](Self::release_syncs): a slow disk without a clock.
    pub fn hold_syncs(&self) {
        self.shared.lock().holds_syncs = true;
    }

    /// Ends [`hold_syncs`](Self::hold_syncs).
    pub fn release_syncs(&self) {
        self.shared.lock().holds_syncs = false;
        self.shared.released.notify_all();
    }

    /// The syncs that wait for [`release_syncs`](Self::release_syncs).
    pub fn waiting_syncs(&self) -> usize {
        self.shared.lock().waiting_syncs
    }

    /// The calls of sync on files whose sync had failed before: each of them may report as stored what the disk does not have.
    pub fn syncs_after_failure(&self) -> u64 {
        self.shared.lock().syncs_after_failure
    }

    /// Changes the content of a file behind the back of its users, on the disk too.
    ///
    /// # Errors
    /// `NotFound` without a file of this name.
    pub fn corrupt(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.shared.lock().disk.corrupt(name, change)
    }

    /// The content of a file as processes read it; `None` without a file of this name.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.shared.lock();
        let inode = state.disk.lookup(name).ok()?;
        state.disk.inode(inode).ok().map(|inode| inode.current.clone())
    }

    /// Creates or replaces a file with this content, on the disk too.
    pub fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.shared.lock();
        // Without a file of this name, there is none to remove.
        let _not_found = state.disk.remove(name);
        if state.disk.create(name).is_ok() {
            let _found = state.disk.corrupt(name, |bytes| *bytes = content.to_vec());
        }
        state.disk.sync_directory();
    }

    /// Removes a file, on the disk too, if there is one of this name.
    pub fn remove_file(&self, name: &str) {
        let mut state = self.shared.lock();
        let _not_found = state.disk.remove(name);
        state.disk.sync_directory();
    }

    /// The names of the files, sorted.
    pub fn names(&self) -> Vec<String> {
        self.shared.lock().disk.names().map(|(name, _)| name.to_owned()).collect()
    }

    fn file(&self, state: &mut State, inode: u64) -> ModelFile {
        state.disk.opened(inode);
        ModelFile { shared: Arc::clone(&self.shared), inode }
    }
}

impl CrashPoint {
    /// The last operation before the crash.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The number of that operation since the storage was made.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The storage after a power failure: what was synced, and by the choice of `seed` parts of the rest.
    pub fn power_failure(&self, seed: u64) -> ModelStorage {
        let mut disk = self.disk.clone();
        disk.lose_power(&mut Random::new(seed));
        ModelStorage::of(disk, seed)
    }

    /// The storage after the process was killed: all that it wrote, synced or not.
    pub fn killed_process(&self, seed: u64) -> ModelStorage {
        let mut disk = self.disk.clone();
        disk.lose_handles();
        ModelStorage::of(disk, seed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `action`, unless a fault fails it, and records a crash point behind it.
    fn change<T>(
        &self,
        operation: Operation,
        action: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.lock();
        state.check(operation)?;
        state.apply(operation, action)
    }
}

impl State {
    fn check(&mut self, operation: Operation) -> io::Result<()> {
        self.faults.check(operation, &mut self.random)
    }

    fn apply<T>(
        &mut self,
        operation: Operation,
        action: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let result = action(self);
        self.operations += 1;
        let one_in = self.record_one_in;
        if one_in > 0 && self.random.one_in(one_in) {
            let point = CrashPoint { disk: self.disk.clone(), operation, number: self.operations };
            self.points.push(point);
        }
        result
    }
}

impl Storage for ModelStorage {
    type File = ModelFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut state = self.shared.lock();
        state.check(Operation::List)?;
        let entry = |(name, len): (&str, u64)| DirectoryEntry {
            name: name.to_owned(),
            len,
            is_regular_file: true,
        };
        Ok(state.disk.names().map(entry).collect())
    }

    fn create(&mut self, name: &str) -> io::Result<ModelFile> {
        self.shared.change(Operation::Create, |state| {
            let inode = state.disk.create(name)?;
            Ok(self.file(state, inode))
        })
    }

    fn open(&self, name: &str) -> io::Result<ModelFile> {
        let mut state = self.shared.lock();
        state.check(Operation::Open)?;
        let inode = state.disk.lookup(name)?;
        Ok(self.file(&mut state, inode))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.shared.change(Operation::Rename, |state| state.disk.rename(from, to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.shared.change(Operation::Remove, |state| state.disk.remove(name))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.shared.change(Operation::SyncDirectory, |state| {
            state.disk.sync_directory();
            Ok(())
        })
    }
}

impl StorageFile for ModelFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.shared.lock();
        Ok(state.disk.inode(self.inode)?.current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.shared.lock();
        state.check(Operation::Read)?;
        let content = &state.disk.inode(self.inode)?.current;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let rest = content.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.shared.change(Operation::Write, |state| state.disk.write(self.inode, bytes, offset))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.shared.change(Operation::SetLen, |state| state.disk.set_len(self.inode, len))
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.waiting_syncs += 1;
        while state.holds_syncs {
            state = self.shared.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting_syncs -= 1;
        if state.failed_syncs.contains(&self.inode) {
            state.syncs_after_failure += 1;
        }
        if let Err(error) = state.check(Operation::Sync) {
            let State { disk, random, failed_syncs, .. } = &mut *state;
            disk.fail_sync(self.inode, random);
            failed_syncs.insert(self.inode);
            return Err(error);
        }
        state.apply(Operation::Sync, |state| state.disk.sync(self.inode))
    }
}

impl Drop for ModelFile {
    fn drop(&mut self) {
        self.shared.lock().disk.closed(self.inode);
    }
}
