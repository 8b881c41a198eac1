//! The text files of the workspace, which the checks read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Text files by their path from the workspace's root, with `/` on every system.
#[derive(Debug, Default)]
pub struct SourceTree {
    files: BTreeMap<String, String>,
}

impl SourceTree {
    /// Reads all text files below `places`, each a folder or a file below `root`. Hidden entries,
    /// folders named `target` and files that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When a place or an entry below it cannot be read.
    pub fn read(root: &Path, places: &[&str]) -> Result<SourceTree, String> {
        let mut tree = SourceTree::default();
        for place in places {
            tree.add(root, place)?;
        }
        Ok(tree)
    }

    fn add(&mut self, root: &Path, place: &str) -> Result<(), String> {
        let path = root.join(place);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if path.is_file() {
            if let Ok(text) = String::from_utf8(fs::read(&path).map_err(failed)?) {
                self.files.insert(place.to_owned(), text);
            }
            return Ok(());
        }
        for entry in fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && name != "target" {
                self.add(root, &format!("{place}/{name}"))?;
            }
        }
        Ok(())
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Every file with its text, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// A tree that a test makes up.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> SourceTree {
        let own = |&(path, text): &(&str, &str)| (path.to_owned(), text.to_owned());
        SourceTree { files: files.iter().map(own).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_text_files_and_skips_hidden_ones() {
        let root = std::env::temp_dir().join(format!("spanwise-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("src/target")).unwrap();
        fs::write(root.join("src/a.rs"), "fn a() {}").unwrap();
        fs::write(root.join("src/.hidden"), "x").unwrap();
        fs::write(root.join("src/target/b.rs"), "x").unwrap();
        fs::write(root.join("src/image"), [0xFF, 0xFE]).unwrap();
        fs::write(root.join("README.md"), "# A").unwrap();
        let tree = SourceTree::read(&root, &["src", "README.md"]);
        fs::remove_dir_all(&root).unwrap();
        let tree = tree.unwrap();
        let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(paths, ["README.md", "src/a.rs"]);
        assert_eq!(tree.text("src/a.rs"), Some("fn a() {}"));
    }
}
