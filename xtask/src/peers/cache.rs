//! The folder outside the source tree for everything that was fetched or built.

use std::fs;
use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/spanwise`, or `~/.cache/spanwise`.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user.
    ///
    /// # Errors
    /// Neither `XDG_CACHE_HOME` nor `HOME` is an absolute path, or the folder cannot be made.
    pub(crate) fn open() -> Result<Self, String> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let base = base.or_else(|| Some(variable("HOME")?.join(".cache")));
        let base = base.filter(|path| path.is_absolute());
        let base = base.ok_or("no cache: set XDG_CACHE_HOME or HOME to an absolute path")?;
        Self::at(base.join("spanwise"))
    }

    /// The cache in the folder `root`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(crate) fn at(root: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { root })
    }

    /// A folder that tools fill as they like, such as a cache of modules.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether the folder `name` is complete.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.root.join(name).join(COMPLETE).exists()
    }

    /// The folder `name`, which has its version in its name. `fill` fills it the first time; a folder that
    /// was not completed is removed and filled anew.
    ///
    /// # Errors
    /// That of `fill`, or of the file system.
    pub(crate) fn filled(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let folder = self.root.join(name);
        if folder.join(COMPLETE).exists() {
            return Ok(folder);
        }
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        fill(&folder)?;
        fs::write(folder.join(COMPLETE), "").map_err(failed)?;
        Ok(folder)
    }
}

/// The file that marks a complete folder.
const COMPLETE: &str = "complete";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Scratch;

    #[test]
    fn a_folder_is_filled_once_and_again_after_a_failure() {
        let scratch = Scratch::new("cache-test").unwrap();
        let cache = Cache::at(scratch.path().join("spanwise")).unwrap();
        let failed = cache.filled("tool-1.0", |folder| {
            fs::write(folder.join("half"), "").unwrap();
            Err("the network is down".to_owned())
        });
        assert_eq!(failed, Err("the network is down".to_owned()));
        let folder = cache.filled("tool-1.0", |folder| {
            assert!(!folder.join("half").exists(), "remains of the failure");
            fs::write(folder.join("tool"), "").map_err(|error| error.to_string())
        });
        assert!(folder.unwrap().join("tool").exists());
        let again = cache.filled("tool-1.0", |_| Err("filled twice".to_owned()));
        assert!(again.unwrap().join("tool").exists());
    }
}
