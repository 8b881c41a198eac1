//! Reads a spool without its lock.

mod damage;
mod inspect;
mod spool_reader;
mod summary;
mod verify;

pub use damage::{Damage, Problem, Verified};
pub use spool_reader::SpoolReader;
pub use summary::{IndexState, SegmentState, SegmentSummary};
