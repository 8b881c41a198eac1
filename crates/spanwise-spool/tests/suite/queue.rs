//! Records go through the spool in order, also across starts.

use crate::support;

use spanwise_spool::{Spool, Synced};
use support::{TempDirectory, at, open, request};

#[test]
fn records_are_read_in_order_once_they_are_synced() {
    let directory = TempDirectory::new();
    let (mut spool, recovery) = Spool::builder().open(directory.path()).unwrap();
    assert_eq!(recovery, Default::default());
    for number in 0..3 {
        spool.append(at(0), &request(number, number + 1), number + 1).unwrap();
    }
    assert_eq!(spool.read_next(at(0)).unwrap(), None);
    assert_eq!(spool.stats().unsynced_spans, 6);
    let Synced { records, spans, is_rewritten, .. } = spool.sync(at(0)).unwrap();
    assert_eq!((records, spans, is_rewritten), (3, 6, false));
    for number in 0..3 {
        let stored = spool.read_next(at(0)).unwrap().unwrap();
        assert_eq!((stored.spans, stored.request), (number + 1, request(number, number + 1)));
        spool.acknowledge(stored.id);
    }
    assert_eq!(spool.read_next(at(0)).unwrap(), None);
    assert_eq!(spool.stats().spans, 0);
    assert_eq!(spool.take_losses().total(), 0);
}

#[test]
fn a_restart_finds_the_records_that_are_not_acknowledged() {
    let directory = TempDirectory::new();
    let (mut spool, _) = Spool::builder().open(directory.path()).unwrap();
    for number in 0..10 {
        spool.append(at(0), &request(number, 2), 2).unwrap();
        spool.sync(at(0)).unwrap();
    }
    for _ in 0..4 {
        let stored = spool.read_next(at(0)).unwrap().unwrap();
        spool.acknowledge(stored.id);
    }
    spool.checkpoint();
    drop(spool);
    let (mut spool, recovery) = Spool::builder().open_in(open(&directory), at(1)).unwrap();
    assert_eq!((recovery.spans, recovery.has_checkpoint), (12, true));
    assert_eq!((recovery.torn_bytes, recovery.unknown_files), (0, 0));
    for number in 4..10 {
        let stored = spool.read_next(at(1)).unwrap().unwrap();
        assert_eq!(stored.request, request(number, 2));
        spool.acknowledge(stored.id);
    }
    assert_eq!(spool.read_next(at(1)).unwrap(), None);
    assert_eq!(directory.segments().len(), 0, "the delivered segment is removed");
}

#[test]
fn a_rewind_reads_records_again_that_are_not_acknowledged() {
    let directory = TempDirectory::new();
    let (mut spool, _) = Spool::builder().open_in(open(&directory), at(0)).unwrap();
    for number in 0..3 {
        spool.append(at(0), &request(number, 1), 1).unwrap();
    }
    spool.sync(at(0)).unwrap();
    let first = spool.read_next(at(0)).unwrap().unwrap();
    let second = spool.read_next(at(0)).unwrap().unwrap();
    spool.acknowledge(second.id);
    spool.rewind();
    assert_eq!(spool.read_next(at(0)).unwrap(), Some(first));
    assert_eq!(spool.read_next(at(0)).unwrap().unwrap().request, request(2, 1));
}
