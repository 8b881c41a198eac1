//! The disk of the model: inodes, the names of one directory, and the faults to come.

use std::collections::BTreeMap;
use std::io;

use super::inode::{Inode, PAGE};
use super::random::Random;

/// A change of the directory that no `sync_directory` followed yet.
#[derive(Clone, Debug)]
enum NameChange {
    Link {
        name: String,
        inode: u64,
    },
    /// Atomic, as POSIX requires: after a crash the file has one of the names.
    Rename {
        from: String,
        to: String,
        inode: u64,
    },
    Unlink {
        name: String,
        inode: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    changes: Vec<NameChange>,
    next_inode: u64,
    /// Handles of each inode: a file that was removed lives as long as one of them.
    open: BTreeMap<u64, u32>,
    /// The bytes that the files may have in pages; `u64::MAX` without a limit.
    pub(super) capacity: u64,
    pub(super) is_read_only: bool,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            next_inode: 0,
            open: BTreeMap::new(),
            capacity: u64::MAX,
            is_read_only: false,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, inode)| {
            let len = self.inodes.get(inode).map_or(0, |inode| inode.current.len());
            (name.as_str(), len as u64)
        })
    }

    pub(super) fn lookup(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn inode(&self, inode: u64) -> io::Result<&Inode> {
        self.inodes.get(&inode).ok_or_else(stale)
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        self.check_writable()?;
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.names.insert(name.to_owned(), inode);
        self.changes.push(NameChange::Link { name: name.to_owned(), inode });
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check_writable()?;
        let inode = self.lookup(from)?;
        self.names.remove(from);
        self.names.insert(to.to_owned(), inode);
        self.changes.push(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.check_writable()?;
        let inode = self.lookup(name)?;
        self.names.remove(name);
        self.changes.push(NameChange::Unlink { name: name.to_owned(), inode });
        Ok(())
    }

    pub(super) fn sync_directory(&mut self) {
        self.durable_names = self.names.clone();
        self.changes.clear();
        self.free_inodes();
    }

    pub(super) fn opened(&mut self, inode: u64) {
        *self.open.entry(inode).or_default() += 1;
    }

    pub(super) fn closed(&mut self, inode: u64) {
        match self.open.get_mut(&inode) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.open.remove(&inode);
                self.free_inodes();
            }
        }
    }

    /// Frees the inodes that neither a name nor a handle nor a crash can reach.
    fn free_inodes(&mut self) {
        let Self { inodes, names, durable_names, changes, open, .. } = self;
        inodes.retain(|inode, _| {
            let is_named =
                |names: &BTreeMap<String, u64>| names.values().any(|named| named == inode);
            open.contains_key(inode)
                || is_named(names)
                || is_named(durable_names)
                || changes.iter().any(|change| change.inode() == *inode)
        });
    }

    pub(super) fn write(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let end = offset.saturating_add(bytes.len() as u64);
        let file = self.inodes.get(&inode).ok_or_else(stale)?;
        let len = file.current.len() as u64;
        let grows =
            end.div_ceil(PAGE as u64).saturating_sub(len.div_ceil(PAGE as u64)) * PAGE as u64;
        if grows > self.free() {
            // A write on a full disk may store its beginning, as `write` does that returns less than it was given.
            let space =
                (len.div_ceil(PAGE as u64) * PAGE as u64 + self.free()).saturating_sub(offset);
            let fits = usize::try_from(space).unwrap_or(usize::MAX).min(bytes.len());
            if let (Some(part), Some(file)) = (bytes.get(..fits), self.inodes.get_mut(&inode))
                && fits > 0
            {
                file.write(part, to_usize(offset)?);
            }
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let file = self.inodes.get_mut(&inode).ok_or_else(stale)?;
        file.write(bytes, to_usize(offset)?);
        Ok(())
    }

    pub(super) fn set_len(&mut self, inode: u64, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let len = to_usize(len)?;
        self.inodes.get_mut(&inode).ok_or_else(stale)?.set_len(len);
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        self.inodes.get_mut(&inode).ok_or_else(stale)?.sync();
        Ok(())
    }

    pub(super) fn fail_sync(&mut self, inode: u64, random: &mut Random) {
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.fail_sync(random);
        }
    }

    /// Changes a byte on the disk and in the page cache: a medium that decays.
    pub(super) fn corrupt(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let inode = self.lookup(name)?;
        let file = self.inodes.get_mut(&inode).ok_or_else(stale)?;
        file.sync();
        let mut content = file.current.clone();
        change(&mut content);
        *file = Inode::default();
        file.write(&content, 0);
        file.set_len(content.len());
        file.sync();
        Ok(())
    }

    /// The bytes that the capacity leaves.
    fn free(&self) -> u64 {
        let pages = |inode: &Inode| inode.current.len().div_ceil(PAGE) * PAGE;
        let used: u64 = self
            .names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|inode| pages(inode) as u64)
            .sum();
        self.capacity.saturating_sub(used)
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    /// Leaves what a power failure leaves: everything that was synced, and an arbitrary part of the rest.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.changes);
        // A journal commits changes in their order; without one, any subset reaches the disk, in any order.
        let survives: Vec<bool> = match random.below(4) {
            0 => vec![false; changes.len()],
            1 => vec![true; changes.len()],
            2 => {
                let prefix = random.below(changes.len() + 1);
                (0..changes.len()).map(|at| at < prefix).collect()
            }
            _ => changes.iter().map(|_| random.one_in(2)).collect(),
        };
        for (change, survives) in changes.iter().zip(survives) {
            if survives {
                apply(&mut self.durable_names, change);
            }
        }
        self.names = self.durable_names.clone();
        self.lose_handles();
        for inode in self.inodes.values_mut() {
            inode.lose_power(random);
        }
    }

    /// Leaves what a killed process leaves: all that it wrote.
    pub(super) fn lose_handles(&mut self) {
        self.open.clear();
        self.free_inodes();
    }
}

impl NameChange {
    fn inode(&self) -> u64 {
        match self {
            Self::Link { inode, .. } | Self::Rename { inode, .. } | Self::Unlink { inode, .. } => {
                *inode
            }
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    let remove = |names: &mut BTreeMap<String, u64>, name: &str, inode: u64| {
        if names.get(name) == Some(&inode) {
            names.remove(name);
        }
    };
    match change {
        NameChange::Link { name, inode } => _ = names.insert(name.clone(), *inode),
        NameChange::Rename { from, to, inode } => {
            remove(names, from, *inode);
            names.insert(to.clone(), *inode);
        }
        NameChange::Unlink { name, inode } => remove(names, name, *inode),
    }
}

fn to_usize(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn stale() -> io::Error {
    io::Error::other("the file was removed")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The sets of names that crashes leave.
    fn crashes(disk: &Disk) -> BTreeSet<Vec<String>> {
        let names = |seed| {
            let mut crashed = disk.clone();
            crashed.lose_power(&mut Random::new(seed));
            crashed.names().map(|(name, _)| name.to_owned()).collect()
        };
        (0..300).map(names).collect()
    }

    fn sets(sets: &[&[&str]]) -> BTreeSet<Vec<String>> {
        sets.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect()
    }

    #[test]
    fn a_name_survives_a_crash_once_the_directory_was_synced() {
        let mut disk = Disk::new();
        let inode = disk.create("a").unwrap();
        disk.write(inode, b"content", 0).unwrap();
        disk.sync(inode).unwrap();
        assert_eq!(crashes(&disk), sets(&[&[], &["a"]]), "a synced file without a name is lost");
        disk.sync_directory();
        disk.create("b").unwrap();
        disk.create("c").unwrap();
        assert_eq!(crashes(&disk), sets(&[&["a"], &["a", "b"], &["a", "c"], &["a", "b", "c"]]));
    }

    #[test]
    fn a_rename_is_atomic() {
        let mut disk = Disk::new();
        disk.create("from").unwrap();
        disk.create("to").unwrap();
        disk.sync_directory();
        disk.rename("from", "to").unwrap();
        assert_eq!(crashes(&disk), sets(&[&["from", "to"], &["to"]]));
    }

    #[test]
    fn a_removed_file_may_return_with_its_content() {
        let mut disk = Disk::new();
        let inode = disk.create("a").unwrap();
        disk.write(inode, b"content", 0).unwrap();
        disk.sync(inode).unwrap();
        disk.sync_directory();
        disk.remove("a").unwrap();
        disk.closed(inode);
        assert_eq!(crashes(&disk), sets(&[&[], &["a"]]));
        disk.sync_directory();
        assert_eq!(crashes(&disk), sets(&[&[]]));
        assert!(disk.inode(inode).is_err(), "the inode is freed");
    }

    #[test]
    fn a_full_disk_stores_the_beginning_of_a_write() {
        let mut disk = Disk::new();
        disk.capacity = 2 * PAGE as u64;
        let inode = disk.create("a").unwrap();
        let error = disk.write(inode, &[1; 3 * PAGE], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.inode(inode).unwrap().current, [1; 2 * PAGE]);
        disk.set_len(inode, 10).unwrap();
        disk.write(inode, &[2; PAGE], 10).unwrap();
        disk.remove("a").unwrap();
        assert_eq!(disk.free(), 2 * PAGE as u64);
    }
}
