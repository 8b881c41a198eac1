//! The reasons why the bytes of an index cannot be used.

use thiserror::Error;

/// The bytes are not the index of the segment. The spool then builds the index again from the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file is shorter than its header states.
    #[error("the index ends before its last page")]
    Truncated,
    /// The first bytes are not those of an index.
    #[error("the file does not begin like an index")]
    Magic,
    /// Another version of the layout.
    #[error("the index has version {found}; this build reads version 1")]
    Version {
        /// The version in the file.
        found: u16,
    },
    /// A checksum does not match: the bytes changed after they were written, or were never written.
    #[error("the checksum of the {part} does not match")]
    Checksum {
        /// `header`, `tables` or `page`.
        part: &'static str,
    },
    /// The index is one of another segment, or of an earlier state of this segment.
    #[error("the index belongs to another segment, or to an earlier state of this one")]
    OtherSegment,
    /// The checksums match, and the contents contradict each other.
    #[error("the {part} of the index contradicts its header")]
    Malformed {
        /// The part that is wrong.
        part: &'static str,
    },
}
