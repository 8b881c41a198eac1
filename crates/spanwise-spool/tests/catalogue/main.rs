//! The faults of disks and directories, each with a test: full disk, I/O errors, crashes, damage, foreign files, locks, slow syncs,
//! limits. The numbers in the names are those of the catalogue in `docs/spool.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on must fail"
)]

mod crashes;
mod damage;
mod disk;
#[cfg(unix)]
mod entries;
mod limits;
#[path = "../support/requests.rs"]
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use requests::{Request, number_of, start};
use spanwise_spool::storage::Storage;
use spanwise_spool::storage::model::ModelStorage;
use spanwise_spool::{Losses, Recovery, Spool, SpoolBuilder};

/// Small segments, so that a few records complete one.
fn builder() -> SpoolBuilder {
    Spool::builder().with_max_bytes(4 << 20).with_segment_bytes(64 << 10)
}

/// Opens a storage of the model.
fn open(storage: &ModelStorage) -> (Spool<ModelStorage>, Recovery) {
    builder().open_in(storage.clone(), start()).unwrap()
}

/// Appends and syncs the requests.
fn store<S: Storage>(spool: &mut Spool<S>, requests: &[Request]) {
    for request in requests {
        spool.append(start(), &request.bytes, request.spans).unwrap();
    }
    spool.sync(start()).unwrap();
}

/// Reads all records: the numbers of their requests with how often each was delivered, and the losses.
fn deliver<S: Storage>(spool: &mut Spool<S>) -> (BTreeMap<u64, u32>, Losses) {
    let mut numbers = BTreeMap::new();
    while let Some(stored) = spool.read_next(start()).unwrap() {
        let number = number_of(&stored.request).expect("a request of the tests");
        *numbers.entry(number).or_default() += 1;
        assert_eq!(numbers.get(&number), Some(&1), "request {number} is delivered twice");
    }
    (numbers, spool.take_losses())
}

/// The spans of all requests.
fn spans(requests: &[Request]) -> u64 {
    requests.iter().map(|request| request.spans).sum()
}
