//! [`WatchedFile`]: decides when a configuration file is to be read again, without a clock and without a thread.

use spanwise_config::MAX_BYTES;
use spanwise_worker::__private::open_regular;
use std::fs::{self, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file, and the content that was read last.
///
/// The owner calls [`is_due`](Self::is_due) at an interval. A file is due once its stamp has changed and then stays the
/// same for one interval, so that one that is being written is not read, and if its content is another one. A stamp
/// follows links: a ConfigMap of Kubernetes is a link that moves to another file.
pub(super) struct WatchedFile {
    path: PathBuf,
    /// The stamp of the content that was read last.
    known: Stamp,
    /// A changed stamp that has to stay for an interval.
    changed: Option<Stamp>,
    /// The content that was read last.
    content: Content,
    hasher: RandomState,
}

/// Identifies the content of a file without reading it; `None`: the file cannot be examined.
type Stamp = Option<FileStamp>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    modified: Option<SystemTime>,
    len: u64,
    /// When content, owner or mode changed, and the number of the file.
    #[cfg(unix)]
    unix: (i64, i64, u64),
}

/// A hash of a content; the kind of the error of a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Hash(u64),
    Error(io::ErrorKind),
}

impl WatchedFile {
    /// Begins with the file as it is now. Call this before the file is read: a change in between is found then.
    pub(super) fn new(path: PathBuf) -> Self {
        let hasher = RandomState::new();
        let known = stamp(&path);
        let content = content(&path, &hasher);
        Self { path, known, changed: None, content, hasher }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is to be read again: its content has changed, and it is not being written.
    pub(super) fn is_due(&mut self) -> bool {
        let now = stamp(&self.path);
        if now == self.known {
            self.changed = None;
            return false;
        }
        if self.changed.replace(now) != Some(now) {
            return false;
        }
        self.changed = None;
        self.known = now;
        let content = content(&self.path, &self.hasher);
        std::mem::replace(&mut self.content, content) != content
    }

    /// Whether a change waits for the end of the write.
    pub(super) fn is_changing(&self) -> bool {
        self.changed.is_some()
    }
}

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).ok().map(|file| FileStamp::of(&file))
}

impl FileStamp {
    fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        let unix = {
            use std::os::unix::fs::MetadataExt as _;
            (file.ctime(), file.ctime_nsec(), file.ino())
        };
        Self {
            modified: file.modified().ok(),
            len: file.len(),
            #[cfg(unix)]
            unix,
        }
    }
}

/// The content, of which at most as many bytes are read as a configuration file may have.
fn content(path: &Path, hasher: &RandomState) -> Content {
    let read = || {
        let mut content = Vec::new();
        open_regular(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut content)?;
        Ok(content)
    };
    match read() {
        Ok(content) => Content::Hash(hasher.hash_one(content)),
        Err(error) => {
            let error: io::Error = error;
            Content::Error(error.kind())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Calls until nothing changes any more. Returns how often the file was due.
    fn due(file: &mut WatchedFile) -> usize {
        let mut count = 0;
        for _ in 0..4 {
            count += usize::from(file.is_due());
        }
        assert!(!file.is_changing());
        count
    }

    #[test]
    fn a_changed_content_is_due_once_and_not_while_it_is_written() {
        let folder = folder("watch-write");
        let path = folder.join("otel.yaml");
        fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        assert_eq!(due(&mut file), 0);
        // Each write is longer, so that its stamp differs whatever the resolution of the times.
        for len in 4..50 {
            fs::write(&path, "x".repeat(len)).unwrap();
            assert!(!file.is_due() && file.is_changing(), "{len}");
        }
        assert_eq!(due(&mut file), 1);
        // Another time and the same content.
        let later = SystemTime::now() + Duration::from_secs(10);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(due(&mut file), 0);
        fs::write(&path, "y".repeat(7)).unwrap();
        assert_eq!(due(&mut file), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_away_is_due_once_and_again_when_it_is_back() {
        let folder = folder("watch-away");
        let path = folder.join("otel.yaml");
        fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        fs::rename(&path, folder.join("away")).unwrap();
        // An editor replaces the file between two calls.
        assert!(!file.is_due());
        fs::rename(folder.join("away"), &path).unwrap();
        assert_eq!(due(&mut file), 0);
        fs::remove_file(&path).unwrap();
        assert_eq!((due(&mut file), due(&mut file)), (1, 0));
        fs::write(&path, "one").unwrap();
        assert_eq!((due(&mut file), due(&mut file)), (1, 0));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(due(&mut file), 1, "a folder is no file");
        fs::remove_dir_all(folder).unwrap();
    }

    /// As Kubernetes mounts a ConfigMap: the file is a link into `..data`, which is a link to a folder.
    #[cfg(unix)]
    #[test]
    fn a_link_that_moves_to_another_file_is_a_change() {
        use std::os::unix::fs::symlink;
        let folder = folder("watch-link");
        for (version, text) in [("..v1", "old"), ("..v2", "new")] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("otel.yaml"), text).unwrap();
        }
        symlink("..v1", folder.join("..data")).unwrap();
        symlink("..data/otel.yaml", folder.join("otel.yaml")).unwrap();
        let mut file = WatchedFile::new(folder.join("otel.yaml"));
        assert_eq!(due(&mut file), 0);
        symlink("..v2", folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        assert_eq!((due(&mut file), due(&mut file)), (1, 0));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_large_file_is_read_in_part() {
        let folder = folder("watch-large");
        let path = folder.join("otel.yaml");
        fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        let large = File::create(&path).unwrap();
        large.set_len(1 << 30).unwrap();
        let started = std::time::Instant::now();
        assert_eq!(due(&mut file), 1);
        assert!(started.elapsed() < Duration::from_secs(20));
        fs::remove_dir_all(folder).unwrap();
    }
}
