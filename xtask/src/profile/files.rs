//! The files of a profile.

use crate::step::root;
use std::fs;
use std::path::{Path, PathBuf};

/// `target/profile`.
pub(super) fn folder() -> Result<PathBuf, String> {
    let folder = root().join("target/profile");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Writes a profile beside `stem`: pprof, folded stacks and a table.
pub(super) fn write(profile: &spanwise_profiling::Profile, stem: &Path) -> Result<(), String> {
    let pprof = profile.to_pprof().map_err(|error| error.to_string())?;
    let files = [
        ("pb.gz", pprof),
        ("folded", profile.to_folded().into_bytes()),
        ("txt", profile.to_text().into_bytes()),
    ];
    for (extension, bytes) in files {
        let path = stem.with_extension(extension);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
