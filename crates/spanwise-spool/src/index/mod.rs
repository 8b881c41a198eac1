//! The index of a segment: which records have spans of a trace, of a service, of a time.
//!
//! Start at [`IndexBuilder`], which takes the requests of a segment in the order of its records, and at
//! [`SegmentIndex`], which reads what the builder sealed. Both are bytes in and bytes out: the spool reads and
//! writes the file. The layout is in `docs/spool.md`, section "Index".

mod bits;
mod builder;
mod contents;
mod error;
mod facts;
mod fingerprint;
mod head;
mod numbers;
mod page;
mod query;
mod segment_index;
mod services;
mod table;
mod trace;

pub use builder::{IndexBuilder, SealedIndex, SegmentIdentity};
pub use error::IndexError;
pub use facts::RecordFacts;
pub use head::{HEAD_LEN, Head};
pub use query::RecordQuery;
pub use segment_index::SegmentIndex;
pub use table::{IndexedRecord, RecordPlace};
pub use trace::{extract_spans, extract_trace};
