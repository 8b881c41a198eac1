//! The program of Chromium: that of this system, or of Debian's package.

use crate::peers::{Cache, Tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Chromium is, and the folder of its libraries.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    /// Libraries that the system lacks: those of the unpacked packages.
    libraries: Vec<PathBuf>,
}

impl Program {
    /// Chromium of this system, or of Debian's package `chromium-headless-shell`, which is unpacked into the cache with the packages
    /// that it depends on, without an installation.
    ///
    /// # Errors
    /// Neither is there.
    pub(crate) fn find(cache: &Cache) -> Result<Self, String> {
        let folders = ["/usr/bin", "/usr/local/bin"].map(Path::new);
        let all = folders.iter().flat_map(|folder| NAMES.iter().map(|name| folder.join(name)));
        if let Some(path) = all.into_iter().find(|path| path.exists()) {
            return Ok(Self { path, libraries: Vec::new() });
        }
        let folder = cache.filled("chromium-of-the-system", unpack)?;
        let libraries = libraries(&folder.join("usr/lib"));
        Ok(Self { path: folder.join("usr/lib/chromium").join(PACKAGE), libraries })
    }

    /// A command that runs it.
    pub(super) fn command(&self) -> Command {
        // The protocol has the file descriptors 3 and 4, which a shell can set without code that runs between fork and exec.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#]).arg(&self.path);
        if let Ok(joined) = std::env::join_paths(&self.libraries) {
            command.env("LD_LIBRARY_PATH", joined);
        }
        command
    }
}

fn unpack(folder: &Path) -> Result<(), String> {
    let archives = folder.join("archives");
    let made = std::fs::create_dir_all(archives.join("partial"));
    made.map_err(|error| format!("{}: {error}", archives.display()))?;
    let place = format!("Dir::Cache::archives={}", archives.display());
    // No lock of the system is taken: nothing is installed.
    let options = ["-o", &place, "-o", "Debug::NoLocking=true", "--download-only"];
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(options);
    arguments.extend([PACKAGE, FONTS]);
    Tool::new("apt-get", &arguments, LIMIT).dir(folder).run(&folder.join("download.log"))?;
    let script =
        "for each in archives/*.deb; do dpkg-deb -x \"$each\" . || exit 1; done; rm -r archives";
    let unpack = Tool::new("sh", &["-c", script], LIMIT);
    unpack.dir(folder).run(&folder.join("unpack.log")).map(drop)
}

/// The folders below `/usr/lib` of the packages that have shared libraries.
fn libraries(lib: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let of_machine = entries.map(|entry| entry.path()).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
    });
    // The library of PulseAudio finds its second half by an absolute path.
    of_machine.flat_map(|path| [path.join("pulseaudio"), path]).collect()
}

/// Names of the program.
const NAMES: &[&str] = &[PACKAGE, "chromium", "chromium-browser", "google-chrome"];
const PACKAGE: &str = "chromium-headless-shell";
/// A system without fonts shows none.
const FONTS: &str = "fonts-dejavu-core";
const LIMIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Scratch;

    #[test]
    fn the_folders_of_libraries_are_those_of_the_machine() {
        let scratch = Scratch::new("browser-test").unwrap();
        for folder in ["x86_64-linux-gnu", "chromium"] {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        let machine = scratch.path().join("x86_64-linux-gnu");
        assert_eq!(libraries(scratch.path()), [machine.join("pulseaudio"), machine]);
    }
}
