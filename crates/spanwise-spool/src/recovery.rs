//! The report of a start.

/// The content of the directory that a spool found when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Segments with records.
    pub segments: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Spans of their records that are not acknowledged. Spans among them that turn out to be damaged, and
    /// those evicted or expired at the start, are counted by [`Losses`](crate::Losses) as well.
    pub spans: u64,
    /// Incomplete records at the end of segments that a crash interrupted, in bytes. They were never stored.
    pub torn_bytes: u64,
    /// Spans of these records, as far as their headers are readable. Not part of `spans`.
    pub torn_spans: u64,
    /// Files of segments without a valid record, now with the suffix `.damaged`.
    pub damaged_files: u64,
    /// Copies of other segments, now with the suffix `.damaged`.
    pub duplicate_files: u64,
    /// Segments of a newer version of the format, which are left alone.
    pub unsupported_files: u64,
    /// Segments that cannot be opened or read, and are left alone: no permission, no regular file.
    pub unreadable_files: u64,
    /// Other entries of the directory, which are left alone.
    pub unknown_files: u64,
    /// Whether a valid checkpoint was found. Without one, records that were acknowledged are delivered
    /// again.
    pub has_checkpoint: bool,
}
