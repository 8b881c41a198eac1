#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

pub mod boot_ledger;
mod builder;
mod checkpoint;
mod compress;
mod error;
pub mod format;
pub mod index;
mod lookup;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod reader;
mod recovery;
mod segment;
mod settings;
mod spool;
mod stats;
pub mod storage;
mod thread;
mod time;

pub use builder::SpoolBuilder;
pub use compress::{CompressedRequest, RequestCompressor};
pub use error::SpoolError;
pub use index::RecordQuery;
pub use lookup::{Found, FoundRecord, FoundRecords};
pub use reader::{
    Damage, IndexState, Problem, SegmentState, SegmentSummary, SpoolReader, Verified,
};
pub use recovery::Recovery;
pub use segment::RecordId;
pub use settings::SpoolSettings;
pub use spool::{Spool, StoredRequest, Synced};
pub use stats::{Losses, SpoolStats};
pub use thread::{ReadOutcome, SpoolClient, SpoolEnd, SpoolEvent, SpoolHandle, SpoolThread};
