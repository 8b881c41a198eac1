//! The directories of a node: each is locked for one process, and for one purpose in it.

use crate::start_error::{ExitKind, StartError};
use spanwise_spool::SpoolError;
use spanwise_spool::storage::DirectoryStorage;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The directories that a node has opened so far.
#[derive(Default)]
pub(crate) struct Directories {
    /// Their canonical paths, with the keys of the file.
    opened: Vec<(PathBuf, String)>,
}

impl Directories {
    /// Opens the directory of `key`, creates it if necessary, and locks it until the drop of the result.
    ///
    /// # Errors
    /// Another key of this node has the same directory, by whatever path; another process has it; or it cannot be used.
    pub(crate) fn open(&mut self, key: &str, path: &Path) -> Result<DirectoryStorage, StartError> {
        let mut tries = 0;
        loop {
            let opened = DirectoryStorage::open(path);
            // It exists now, so that links and `..` are followed.
            let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            if let Some((_, other)) = self.opened.iter().find(|(known, _)| *known == canonical) {
                let path = path.display();
                let message =
                    format!("{key}: {path} is also {other}: each needs a directory of its own");
                return Err(StartError::new(ExitKind::Settings, message));
            }
            match opened {
                Ok(storage) => {
                    self.opened.push((canonical, key.to_owned()));
                    return Ok(storage);
                }
                // A process that ends at this moment has it a little longer.
                Err(SpoolError::Locked { .. }) if tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_PAUSE);
                }
                Err(error) => {
                    return Err(StartError::new(ExitKind::Spool, format!("{key}: {error}")));
                }
            }
        }
    }
}

const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn one_directory_by_two_paths_is_refused_with_both_keys() {
        let base = std::env::temp_dir().join(format!("spanwise-node-twice-{}", std::process::id()));
        fs::create_dir_all(base.join("real")).unwrap();
        fs::create_dir_all(base.join("other")).unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        let mut directories = Directories::default();
        let first = directories.open("state.directory", &base.join("real/a")).unwrap();
        for path in ["real/a", "real/./a", "other/../real/a", "link/a", "real/a/new/.."] {
            let error = directories.open("spool.directory of one", &base.join(path)).err().unwrap();
            assert_eq!(error.kind, ExitKind::Settings);
            let text = error.to_string();
            assert!(text.starts_with("spool.directory of one: "), "{text}");
            assert!(text.contains(" is also state.directory: "), "{text}");
        }
        // That of another process, which knows no key.
        let other = Directories::default().open("state.directory", &base.join("link/a"));
        let error = other.err().unwrap();
        assert_eq!(error.kind, ExitKind::Spool);
        assert!(error.to_string().contains("locked by another process"), "{error}");
        drop(first);
        assert!(Directories::default().open("state.directory", &base.join("link/a")).is_ok());
        fs::remove_dir_all(&base).unwrap();
    }
}
