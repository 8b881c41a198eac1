//! Opens the directory of a spool.

use crate::destination::queue::Queue;
use crate::directories::Directories;
use crate::settings::DestinationSpool;
use crate::start_error::{ExitKind, StartError};
use spanwise_export::DiskSpool;
use spanwise_spool::storage::{Storage, StorageFile as _};
use std::io;

/// Opens a spool. Its directory is locked from here on; a thread of its own reads it.
///
/// # Errors
/// Another process or another key of this node has the directory, or it cannot be used.
pub(in crate::destination) fn open(
    spool: &DestinationSpool,
    name: &str,
    queue: &Queue,
    directories: &mut Directories,
) -> Result<DiskSpool, StartError> {
    let key = format!("spool.directory of destination {name}");
    let mut directory = directories.open(&key, &spool.directory)?;
    let written = match check_writable(&mut directory) {
        // It is full of records, and has space again once they are sent.
        Err(error) if error.kind() == io::ErrorKind::StorageFull && has_records(&directory) => {
            Ok(())
        }
        written => written,
    };
    written.map_err(|error| {
        let path = spool.directory.display();
        let message = format!(
            "{key}: {path} cannot be written: {error}; free space, or mount it for writing"
        );
        StartError::new(ExitKind::Spool, message)
    })?;
    DiskSpool::builder(&spool.directory)
        .with_settings(spool.settings.clone())
        .with_ledger(queue.ledger().clone())
        .build_in(directory)
        .map_err(|error| StartError::io("start the threads of a spool", &error))
}

/// A disk that is read-only or full at the start would lose what it should store.
fn check_writable<S: Storage>(storage: &mut S) -> io::Result<()> {
    match storage.remove(CHECK_FILE) {
        // Left behind by a disk that failed here.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let written = storage.create(CHECK_FILE).and_then(|mut file| {
        file.write_at(&[0; 4096], 0)?;
        file.sync()
    });
    let _removed_by_the_next_start = storage.remove(CHECK_FILE);
    written
}

fn has_records<S: Storage>(storage: &S) -> bool {
    let entries = storage.list().unwrap_or_default();
    entries.iter().any(|entry| entry.name.ends_with(".segment") && entry.len > 0)
}

const CHECK_FILE: &str = "write-check";

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_spool::storage::model::{ModelStorage, Operation};

    #[test]
    fn a_disk_that_stores_nothing_is_found_before_the_start_and_leaves_nothing_behind() {
        let mut disk = ModelStorage::new(1);
        assert!(check_writable(&mut disk).is_ok());
        type Fault = fn(&ModelStorage);
        let faults: [(&str, Fault); 5] = [
            ("read-only", |disk| disk.set_read_only(true)),
            ("full", |disk| disk.set_capacity(100)),
            ("create", |disk| disk.fail(Operation::Create, 1, 1)),
            ("write", |disk| disk.fail(Operation::Write, 1, 1)),
            ("sync", |disk| disk.fail(Operation::Sync, 1, 1)),
        ];
        for (name, fault) in faults {
            fault(&disk);
            assert!(check_writable(&mut disk).is_err(), "{name}");
            disk.heal();
            assert!(check_writable(&mut disk).is_ok(), "{name}");
            assert_eq!(disk.names(), [] as [&str; 0]);
        }
        disk.put(CHECK_FILE, b"of a start that failed");
        assert!(check_writable(&mut disk).is_ok());
    }
}
