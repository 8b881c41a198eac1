//! The graph of imports: the names that each file takes from each other file.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::Modules;

/// Names by the file that uses them and the file that defines them.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// Adds the arrows of one target to `arrows`.
///
/// A re-export is no arrow: who uses it imports the file that defines the item. A module as such
/// is none either, only what is named in it.
pub fn add_arrows(modules: &Modules, arrows: &mut Arrows) {
    for (index, module) in modules.0.iter().enumerate() {
        let contents = &module.contents;
        let private =
            contents.imports.iter().filter(|import| !import.public && import.name.is_some());
        let paths = private.map(|import| &import.target).chain(&contents.references);
        let mut found: Vec<Item> = paths.flat_map(|path| resolve(modules, index, path)).collect();
        for name in &contents.macro_calls {
            let named = modules.macro_named(name);
            // Two files may each define a macro of this name: a file calls its own.
            if named.iter().all(|&(owner, _)| modules.0[owner].file != module.file) {
                found.extend(named);
            }
        }
        for (owner, name) in found {
            let file = &modules.0[owner].file;
            if *file != module.file {
                arrows.entry((module.file.clone(), file.clone())).or_default().insert(name);
            }
        }
    }
}

/// The module that defines an item, and the item's name.
type Item = (usize, String);

#[derive(Debug, Clone)]
enum Named {
    Module(usize),
    Type(Item),
    Value(Item),
}

fn items(named: Vec<Named>) -> Vec<Item> {
    let item = |named| match named {
        Named::Type(item) | Named::Value(item) => Some(item),
        Named::Module(_) => None,
    };
    named.into_iter().filter_map(item).collect()
}

fn resolve(modules: &Modules, from: usize, path: &[String]) -> Vec<Item> {
    items(modules.resolve(from, path, &mut BTreeSet::new()))
}

/// Looks that are under way: a module and a name. Globs may lead in a circle.
type Visited = BTreeSet<(usize, String)>;

impl Modules {
    /// The meanings of `path` in module `from`; nothing if it leads out of the crate.
    fn resolve(&self, from: usize, path: &[String], visited: &mut Visited) -> Vec<Named> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Named::Module(0)],
            "self" => vec![Named::Module(from)],
            "super" => self.0[from].parent.map(Named::Module).into_iter().collect(),
            name => self.named(from, name, visited),
        };
        for name in rest {
            let inside = |named| match named {
                Named::Module(module) if name == "super" => {
                    self.0[module].parent.map(Named::Module).into_iter().collect()
                }
                Named::Module(module) => self.named(module, name, visited),
                // A variant or an associated item.
                Named::Type(_) => vec![named],
                // No path leads through a function: the name is a crate's.
                Named::Value(_) => Vec::new(),
            };
            found = found.into_iter().flat_map(inside).collect();
        }
        found
    }

    /// The meanings of `name` in a module: its own items first, then imports, then globs.
    fn named(&self, module: usize, name: &str, visited: &mut Visited) -> Vec<Named> {
        if !visited.insert((module, name.to_owned())) {
            return Vec::new();
        }
        let Some(owner) = self.0.get(module) else { return Vec::new() };
        let mut found: Vec<Named> = owner
            .children
            .iter()
            .filter(|(child, _)| child == name)
            .map(|&(_, child)| Named::Module(child))
            .collect();
        if owner.contents.types.iter().any(|item| item == name) {
            found.push(Named::Type((module, name.to_owned())));
        }
        if owner.contents.values.iter().any(|item| item == name) {
            found.push(Named::Value((module, name.to_owned())));
        }
        if found.is_empty() {
            let imports = &owner.contents.imports;
            for import in imports.iter().filter(|import| import.name.as_deref() == Some(name)) {
                found.extend(self.resolve(module, &import.target, visited));
            }
        }
        if found.is_empty() {
            for glob in owner.contents.imports.iter().filter(|import| import.name.is_none()) {
                for named in self.resolve(module, &glob.target, visited) {
                    if let Named::Module(inner) = named {
                        found.extend(self.named(inner, name, visited));
                    }
                }
            }
        }
        visited.remove(&(module, name.to_owned()));
        found
    }

    /// A macro of the crate, whose scope is mostly textual.
    fn macro_named(&self, name: &str) -> Vec<Item> {
        let defines =
            |&index: &usize| self.0[index].contents.macro_rules.iter().any(|item| item == name);
        (0..self.0.len()).filter(defines).map(|index| (index, name.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_tree::SourceTree;

    /// The arrows of a crate with these files, as `from -> to: names`.
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let modules = Modules::read(&SourceTree::of(files), "x/lib.rs").unwrap();
        let mut arrows = Arrows::new();
        add_arrows(&modules, &mut arrows);
        let line = |((from, to), names): (&(String, String), &BTreeSet<String>)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{from} -> {to}: {}", names.join(" "))
        };
        assert_eq!(arrows.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_re_export_leads_to_the_file_that_defines_the_item() {
        check(
            &[
                ("x/lib.rs", "mod a; mod b; pub use b::B;"),
                ("x/a.rs", "use crate::B; use super::b::deep::C; fn f() { B::new(); }"),
                (
                    "x/b/mod.rs",
                    "mod inner; pub mod deep { pub use super::inner::C; } pub use inner::*;",
                ),
                ("x/b/inner.rs", "pub struct B; pub struct C;"),
            ],
            &["x/a.rs -> x/b/inner.rs: B C"],
        );
    }

    #[test]
    fn paths_in_code_and_in_macros_are_imports() {
        check(
            &[
                ("x/lib.rs", "mod a; mod b; mod c; #[macro_use] mod d;"),
                (
                    "x/a.rs",
                    "use crate::b; fn f() { b::g(); assert!(crate::c::H > 0); each!(); print!(); }",
                ),
                ("x/b.rs", "pub fn g() {} fn print() {}"),
                ("x/c.rs", "pub const H: u8 = 1;"),
                ("x/d.rs", "macro_rules! each { () => {} }"),
            ],
            &["x/a.rs -> x/b.rs: g", "x/a.rs -> x/c.rs: H", "x/a.rs -> x/d.rs: each"],
        );
    }

    #[test]
    fn a_file_calls_its_own_macro_and_not_one_of_the_same_name() {
        check(
            &[
                ("x/lib.rs", "mod a; mod b;"),
                ("x/a.rs", "macro_rules! each { () => {} } each!();"),
                ("x/b.rs", "macro_rules! each { () => {} } each!();"),
            ],
            &[],
        );
    }

    #[test]
    fn a_path_does_not_lead_through_a_function() {
        check(
            &[
                ("x/lib.rs", "mod a; mod b;"),
                ("x/a.rs", "use super::b::*; fn f() { http::get(); T::new(); }"),
                ("x/b.rs", "pub fn http() {} pub struct T;"),
            ],
            &["x/a.rs -> x/b.rs: T"],
        );
    }

    #[test]
    fn a_glob_imports_only_what_is_used() {
        check(
            &[
                ("x/lib.rs", "mod a; mod b; pub struct R;"),
                ("x/a.rs", "use super::*; use crate::b::*; fn f(r: R, v: Vec<u8>) { g() }"),
                ("x/b.rs", "use super::a::*; pub fn g() {} pub fn h() {}"),
            ],
            &["x/a.rs -> x/b.rs: g", "x/a.rs -> x/lib.rs: R"],
        );
    }
}
