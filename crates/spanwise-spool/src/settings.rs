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
    /// The length in bytes at which a segment is complete and the next one begins: 64 KiB to 1 GiB, at most
    /// half of `max_bytes` and at least a 16,384th of it. Eviction removes whole segments. Default a sixteenth
    /// of `max_bytes`, 64 KiB to 32 MiB.
    pub segment_bytes: Option<u64>,
    /// The level of Zstandard. Default 1, 1 to 19.
    pub compression_level: i32,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(72 * 3600),
            segment_bytes: None,
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
        let least = MIN_SEGMENT_BYTES.max(self.max_bytes / MAX_SEGMENTS);
        let most = MAX_SEGMENT_BYTES.min(self.max_bytes / 2);
        if let Some(bytes) = self.segment_bytes
            && !(least..=most).contains(&bytes)
        {
            let accepted =
                "65536 to 1073741824, at most half of max_bytes and at least a 16384th of it";
            return refuse("segment_bytes", &bytes, accepted);
        }
        if !(1..=19).contains(&self.compression_level) {
            return refuse("compression_level", &self.compression_level, "1 to 19");
        }
        Ok(())
    }

    /// The length at which a segment is complete.
    pub(crate) fn effective_segment_bytes(&self) -> u64 {
        let default = (self.max_bytes / 16).clamp(MIN_SEGMENT_BYTES, DEFAULT_SEGMENT_BYTES);
        let default = default.max(self.max_bytes / MAX_SEGMENTS).min(MAX_SEGMENT_BYTES);
        self.segment_bytes.unwrap_or(default)
    }
}

const MIN_SEGMENT_BYTES: u64 = 64 << 10;
const DEFAULT_SEGMENT_BYTES: u64 = 32 << 20;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// A start opens each segment.
const MAX_SEGMENTS: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_accepted_name_the_field_and_the_value() {
        let check = |change: &dyn Fn(&mut SpoolSettings), text: &str| {
            let mut settings = SpoolSettings::default();
            change(&mut settings);
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        };
        check(&|it| it.max_bytes = 1000, "max_bytes is 1000: accepted are 1048576 and more");
        check(&|it| it.max_age = Duration::ZERO, "max_age is 0ns: accepted are 1s and more");
        check(&|it| it.compression_level = 0, "compression_level is 0: accepted are 1 to 19");
        for bytes in [65_535, (1 << 29) + 1, 0] {
            let text = format!("segment_bytes is {bytes}: accepted are 65536 to");
            check(&|it| it.segment_bytes = Some(bytes), &text);
        }
    }

    #[test]
    fn every_accepted_size_has_segments_of_an_accepted_size() {
        for shift in 20..50 {
            let mut settings = SpoolSettings { max_bytes: 1 << shift, ..SpoolSettings::default() };
            let bytes = settings.effective_segment_bytes();
            settings.segment_bytes = Some(bytes);
            // Above 16 TiB, there are more segments.
            assert_eq!(settings.check().is_ok(), shift <= 44, "2^{shift}: {bytes}");
        }
        assert_eq!(SpoolSettings::default().effective_segment_bytes(), 32 << 20);
    }
}
