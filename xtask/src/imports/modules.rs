//! The module tree of one target, read from its files.

use super::scan::{Contents, scan};
use crate::source_tree::SourceTree;

/// One module.
#[derive(Debug)]
pub struct Module {
    /// Path of its file from the workspace's root.
    pub file: String,
    /// `None` for the root.
    pub parent: Option<usize>,
    /// Names and indexes of the modules inside of it.
    pub children: Vec<(String, usize)>,
    pub contents: Contents,
}

/// All modules of a target; the first is its root.
#[derive(Debug, Default)]
pub struct Modules(pub Vec<Module>);

impl Modules {
    /// Reads the modules below the file `root`.
    ///
    /// # Errors
    /// When a file of a module is missing or does not parse.
    pub fn read(tree: &SourceTree, root: &str) -> Result<Modules, String> {
        let mut modules = Modules::default();
        let folder = folder_of(root);
        modules.add_file(tree, root, None, &folder)?;
        Ok(modules)
    }

    /// `folder` holds the files of the module's own submodules.
    fn add_file(
        &mut self,
        tree: &SourceTree,
        file: &str,
        parent: Option<usize>,
        folder: &str,
    ) -> Result<usize, String> {
        let text = tree.text(file).ok_or_else(|| format!("{file} does not exist"))?;
        let contents = scan(text).map_err(|reason| format!("{file}: {reason}"))?;
        self.add(
            tree,
            Module { file: file.to_owned(), parent, children: Vec::new(), contents },
            folder,
        )
    }

    fn add(
        &mut self,
        tree: &SourceTree,
        mut module: Module,
        folder: &str,
    ) -> Result<usize, String> {
        let submodules = std::mem::take(&mut module.contents.modules);
        let own_folder = folder_of(&module.file);
        let file = module.file.clone();
        let index = self.0.len();
        self.0.push(module);
        for submodule in submodules {
            let name = submodule.name;
            let inner = format!("{folder}/{name}");
            if let Some(contents) = submodule.body {
                let module =
                    Module { file: file.clone(), parent: Some(index), children: vec![], contents };
                let child = self.add(tree, module, &inner)?;
                self.0[index].children.push((name, child));
                continue;
            }
            let mut places: Vec<(String, String)> = Vec::new();
            for path in submodule.paths {
                let path = joined(&own_folder, &path);
                let folder = folder_of(&path);
                places.push((path, folder));
            }
            if places.is_empty() {
                let flat = format!("{inner}.rs");
                let file =
                    if tree.text(&flat).is_some() { flat } else { format!("{inner}/mod.rs") };
                places.push((file, inner));
            }
            for (file, folder) in places {
                let child = self.add_file(tree, &file, Some(index), &folder)?;
                self.0[index].children.push((name.clone(), child));
            }
        }
        Ok(index)
    }
}

fn folder_of(file: &str) -> String {
    file.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// `path` seen from `folder`, with `..` resolved.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_the_compiler_looks() {
        let tree = SourceTree::of(&[
            ("x/src/lib.rs", "mod a; mod b; mod c { mod d; } #[path = \"../e.rs\"] mod f;"),
            ("x/src/a.rs", "mod g;"),
            ("x/src/a/g.rs", ""),
            ("x/src/b/mod.rs", ""),
            ("x/src/c/d.rs", ""),
            ("x/e.rs", ""),
        ]);
        let modules = Modules::read(&tree, "x/src/lib.rs").unwrap();
        let mut files: Vec<&str> = modules.0.iter().map(|module| module.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        assert_eq!(
            files,
            [
                "x/e.rs",
                "x/src/a.rs",
                "x/src/a/g.rs",
                "x/src/b/mod.rs",
                "x/src/c/d.rs",
                "x/src/lib.rs"
            ]
        );
        assert!(Modules::read(&SourceTree::of(&[("x/l.rs", "mod m;")]), "x/l.rs").is_err());
    }
}
