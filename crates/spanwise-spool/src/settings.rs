//! The settings of a spool.

use std::time::Duration;

use crate::SpoolError;

/// The limits of a spool and its compression.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolSettings {
    /// The most bytes of all segments and their indexes on disk, before the oldest segment is evicted.
    /// Default 1 GiB, at least 1 MiB.
    pub max_bytes: u64,
    /// The age at which a record expires. Default 72 h, at least 1 s.
    pub max_age: Duration,
    /// The length in bytes at which a segment is complete and the next one begins. Default 32 MiB, 64 KiB
    /// to 1 GiB, at most half of `max_bytes`.
    pub segment_bytes: u64,
    /// The level of Zstandard. Default 1, 1 to 19.
    pub compression_level: i32,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(72 * 3600),
            segment_bytes: 32 << 20,
            compression_level: 1,
        }
    }
}

impl SpoolSettings {
    pub(crate) fn check(&self) -> Result<(), SpoolError> {
        let refuse = |field, value: &dyn std::fmt::Debug, accepted| {
            Err(SpoolError::Setting { field, value: format!("{value:?}"), accepted })
        };
        if self.max_bytes < 1 << 20 {
            return refuse("max_bytes", &self.max_bytes, "1048576 and more");
        }
        if self.max_age < Duration::from_secs(1) {
            return refuse("max_age", &self.max_age, "1s and more");
        }
        let most = MAX_SEGMENT_BYTES.min(self.max_bytes / 2);
        if !(MIN_SEGMENT_BYTES..=most).contains(&self.segment_bytes) {
            let accepted = "65536 to 1073741824, at most half of max_bytes";
            return refuse("segment_bytes", &self.segment_bytes, accepted);
        }
        if !(1..=19).contains(&self.compression_level) {
            return refuse("compression_level", &self.compression_level, "1 to 19");
        }
        Ok(())
    }
}

const MIN_SEGMENT_BYTES: u64 = 64 << 10;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
