//! Builds and opens a spool.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::storage::{DirectoryStorage, Storage};
use crate::{Recovery, Spool, SpoolError, SpoolSettings};

/// Settings of a spool that is not open yet; see [`Spool::builder`].
#[derive(Debug, Clone, Default)]
pub struct SpoolBuilder {
    settings: SpoolSettings,
}

impl SpoolBuilder {
    /// Replaces all settings.
    #[must_use]
    pub fn with_settings(mut self, settings: SpoolSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets [`SpoolSettings::max_bytes`].
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// Sets [`SpoolSettings::max_age`].
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// Sets [`SpoolSettings::segment_bytes`].
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: u64) -> Self {
        self.settings.segment_bytes = Some(bytes);
        self
    }

    /// Sets [`SpoolSettings::compression_level`].
    #[must_use]
    pub fn with_compression_level(mut self, level: i32) -> Self {
        self.settings.compression_level = level;
        self
    }

    /// Opens the spool in a directory, which is created if necessary, and reports what it contains.
    ///
    /// # Errors
    /// [`SpoolError::Setting`], [`SpoolError::Locked`] and [`SpoolError::Directory`]. Damaged files are no
    /// error: the [`Recovery`] counts them.
    ///
    /// # Cost
    /// Reads a few blocks of each segment, and the whole segment that was written last. For a thread that
    /// may block.
    pub fn open(
        self,
        path: impl AsRef<Path>,
    ) -> Result<(Spool<DirectoryStorage>, Recovery), SpoolError> {
        self.settings.check()?;
        let storage = DirectoryStorage::open(path.as_ref())?;
        self.open_in(storage, SystemTime::now())
    }

    /// Opens the spool in any storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in<S: Storage>(
        self,
        storage: S,
        now: SystemTime,
    ) -> Result<(Spool<S>, Recovery), SpoolError> {
        self.settings.check()?;
        Spool::recover(storage, self.settings, now)
    }
}
