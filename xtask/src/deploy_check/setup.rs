//! The files of `docs/deploy/`, the cache and the temporary files of a run.

use crate::peers::{Cache, Scratch};
use crate::step::root;
use std::fs;
use std::path::PathBuf;

pub(super) struct Setup {
    pub(super) cache: Cache,
    /// For the files of the run.
    pub(super) scratch: Scratch,
}

impl Setup {
    /// # Errors
    /// There is no folder for the cache or for temporary files.
    pub(super) fn make() -> Result<Self, String> {
        Ok(Self { cache: Cache::open()?, scratch: Scratch::new("deploy-check")? })
    }
}

pub(super) const MANIFESTS: [&str; 3] =
    ["kubernetes.yaml", "kubernetes-collector.yaml", "node/kubernetes.yaml"];

/// The place of a file of `docs/deploy/`.
pub(super) fn path(name: &str) -> PathBuf {
    root().join("docs/deploy").join(name)
}

/// # Errors
/// The file cannot be read.
pub(super) fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(path(name)).map_err(|error| format!("{name}: {error}"))
}

/// The block of text behind `key: |` of a manifest, without its indentation.
///
/// # Errors
/// There is none.
pub(super) fn block(manifest: &str, key: &str) -> Result<String, String> {
    let missing = || format!("no block {key:?}");
    let start = format!("  {key}: |\n");
    let (_, rest) = manifest.split_once(&start).ok_or_else(missing)?;
    let indent = rest.len() - rest.trim_start_matches(' ').len();
    let lines = rest.lines().take_while(|line| {
        line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() >= indent
    });
    let text: Vec<&str> = lines.map(|line| line.get(indent..).unwrap_or_default()).collect();
    if text.is_empty() { Err(missing()) } else { Ok(text.join("\n") + "\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_where_its_indentation_ends() {
        let manifest =
            "data:\n  # about\n  nginx.conf: |\n    a {\n\n      b;\n    }\n---\nkind: X\n";
        assert_eq!(block(manifest, "nginx.conf").as_deref(), Ok("a {\n\n  b;\n}\n"));
        assert!(block(manifest, "other").is_err());
    }
}
