//! The settings of a spool.

use std::path::PathBuf;
use std::time::Duration;

/// The directory and the limits of a spool; see [`SpanwiseBuilder::with_spool`](crate::SpanwiseBuilder::with_spool).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpoolSettings {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_age: Option<Duration>,
}

#[cfg(feature = "spool")]
impl SpoolSettings {
    /// A spool in this directory (`SPANWISE_SPOOL_DIRECTORY`), which is created if necessary. Each process needs one of its own, on a
    /// local disk.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::SpoolSettings;
    /// use std::time::Duration;
    ///
    /// let _settings = SpoolSettings::new("/var/lib/shop/spans")
    ///     .with_max_bytes(256 << 20)
    ///     .with_max_age(Duration::from_secs(24 * 3600));
    /// ```
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), ..Self::default() }
    }

    /// The most bytes of all files (`SPANWISE_SPOOL_MAX_BYTES`): beyond it, the oldest spans are lost as `spool_evicted`. 1 MiB or more,
    /// default 1 GiB.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The age at which stored spans are lost as `spool_expired` (`SPANWISE_SPOOL_MAX_AGE`, in milliseconds). 1 s or longer, default 72 h.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }
}

#[cfg(feature = "config-file")]
impl SpoolSettings {
    /// Takes the settings of `other` where these have none.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            directory: self.directory.or(other.directory),
            max_bytes: self.max_bytes.or(other.max_bytes),
            max_age: self.max_age.or(other.max_age),
        }
    }
}
