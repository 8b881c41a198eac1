//! [`FileWatch`]: whether the file of the settings, or a certificate or a key of a receiver, has changed.

use crate::settings::NodeSettings;
use spanwise_worker::__private::open_regular;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Compares the contents of files at an interval: the time of a file shows no change by an editor, a link of Kubernetes or a network file
/// system.
pub(super) struct FileWatch {
    interval: Duration,
    files: Vec<PathBuf>,
    contents: Vec<FileContent>,
    next: Instant,
}

impl FileWatch {
    /// `None` if the settings have no interval. `content` is that of `file` before it was read: a change meanwhile is one.
    pub(super) fn new(
        (file, content): (&Path, FileContent),
        settings: &NodeSettings,
        now: Instant,
    ) -> Option<Self> {
        let interval = settings.reload_interval?;
        let tls = settings.receivers.iter().filter_map(|receiver| receiver.tls.as_ref());
        let of_receivers = tls.flat_map(|tls| {
            let authorities = tls.client_ca_file.as_ref();
            [&tls.cert_file, &tls.key_file].into_iter().chain(authorities).cloned()
        });
        let files: Vec<PathBuf> = std::iter::once(file.to_owned()).chain(of_receivers).collect();
        let mut contents = read(&files);
        contents.iter_mut().take(1).for_each(|of_file| *of_file = content);
        Some(Self { interval, files, contents, next: now + interval })
    }

    /// Whether it is time, and a file has another content than at the last look. One that is being replaced changes twice.
    pub(super) fn has_changed(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.interval;
        let before = std::mem::replace(&mut self.contents, read(&self.files));
        before != self.contents
    }
}

fn read(files: &[PathBuf]) -> Vec<FileContent> {
    files.iter().map(|path| FileContent::of(path)).collect()
}

/// The hash of what a file has; none for one that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileContent(Option<u64>);

impl FileContent {
    pub(crate) fn of(path: &Path) -> Self {
        let mut content = Vec::new();
        // A pipe in its place would block the thread that waits for signals.
        let file = open_regular(path).ok();
        let length = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut content).ok());
        Self(length.map(|_| {
            let mut hasher = DefaultHasher::new();
            content.hash(&mut hasher);
            hasher.finish()
        }))
    }
}

/// More than a file of settings or a certificate chain has.
const MAX_BYTES: u64 = 4 << 20;
