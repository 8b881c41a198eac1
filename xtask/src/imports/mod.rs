//! `cargo xtask imports`: no two files of a crate import each other.

mod allowed;
mod circles;
mod graph;
mod modules;
mod scan;

use allowed::{ALLOWED, Allowed, Kind};
use graph::Arrows;
use modules::Modules;

use crate::source_tree::SourceTree;
use crate::step::root;
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "imports",
    summary: "checks that no two files of a crate import each other",
    help: "Reads the modules of every library and program, resolves `use` and the paths in code to the\n\
           file that defines the item (a re-export leads to that file), and fails when files import\n\
           each other, directly or by way of others. Two kinds are allowed, by a line in\n\
           xtask/src/imports/allowed.rs: a type and its builder, a composite and its parts.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &[])?;
    check()
}

/// Checks all crates of the workspace.
///
/// # Errors
/// Lists every circle with its arrows, and every entry of the allow-list without use.
pub fn check() -> Result<(), String> {
    let tree = SourceTree::read(&root(), &["crates", "benches", "xtask"])?;
    let mut arrows = Arrows::new();
    let targets = targets(&tree);
    for target in &targets {
        graph::add_arrows(&Modules::read(&tree, target)?, &mut arrows);
    }
    let problems = problems(&arrows, ALLOWED);
    if problems.is_empty() {
        println!("{} targets, {} arrows, no circle", targets.len(), arrows.len());
        return Ok(());
    }
    Err(format!("{} problems\n{}", problems.len(), problems.join("\n")))
}

/// The root files of libraries and programs, also of packages that are not in the workspace.
fn targets(tree: &SourceTree) -> Vec<&str> {
    let is_root = |path: &str| {
        let root = path.rsplit_once("/src/").map_or("", |(_, inner)| inner);
        matches!(root, "lib.rs" | "main.rs")
            || root.strip_prefix("bin/").is_some_and(|name| !name.contains('/'))
    };
    tree.files().map(|(path, _)| path).filter(|path| is_root(path)).collect()
}

fn problems(arrows: &Arrows, allowed: &[Allowed]) -> Vec<String> {
    let is = |(from, to): &(String, String), entry: &Allowed| entry.from == from && entry.to == to;
    let mut checked = arrows.clone();
    checked.retain(|arrow, _| !allowed.iter().any(|entry| is(arrow, entry)));
    let mut problems: Vec<String> =
        circles::circles(&checked).iter().map(|circle| described(circle, &checked)).collect();
    let all = circles::circles(arrows);
    for entry in allowed {
        let on = |circle: &Vec<String>| {
            [entry.from, entry.to].iter().all(|file| circle.iter().any(|other| other == file))
        };
        if !arrows.keys().any(|arrow| is(arrow, entry)) || !all.iter().any(on) {
            let Allowed { from, to, kind } = entry;
            let kind = match kind {
                Kind::Builder => "type and builder",
                Kind::Parts => "composite and part",
            };
            problems.push(format!(
                "{from} -> {to} ({kind}) is on no circle: remove it from xtask/src/imports/allowed.rs"
            ));
        }
    }
    problems
}

fn described(circle: &[String], arrows: &Arrows) -> String {
    let mut lines =
        vec![format!("{} files import each other: {}", circle.len(), circle.join(", "))];
    for ((from, to), names) in arrows {
        if circle.contains(from) && circle.contains(to) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {from} -> {to}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn arrows(list: &[(&str, &str)]) -> Arrows {
        let arrow = |&(from, to): &(&str, &str)| {
            ((from.to_owned(), to.to_owned()), BTreeSet::from(["Name".to_owned()]))
        };
        list.iter().map(arrow).collect()
    }

    const BUILDER: Allowed = Allowed { from: "a", to: "b", kind: Kind::Builder };

    #[test]
    fn a_circle_is_reported_with_its_arrows() {
        let found = problems(&arrows(&[("a", "b"), ("b", "a"), ("b", "c")]), &[]);
        assert_eq!(found, ["2 files import each other: a, b\n  a -> b: Name\n  b -> a: Name"]);
    }

    #[test]
    fn an_allowed_arrow_breaks_its_circle_and_no_other() {
        assert_eq!(problems(&arrows(&[("a", "b"), ("b", "a")]), &[BUILDER]), [""; 0]);
        let longer = arrows(&[("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]);
        assert_eq!(problems(&longer, &[BUILDER]).len(), 1);
    }

    #[test]
    fn an_entry_without_use_is_an_error() {
        for unused in [&[("a", "b")][..], &[("b", "a")], &[]] {
            let found = problems(&arrows(unused), &[BUILDER]);
            assert!(found[0].contains("remove it"), "{found:?}");
        }
    }

    #[test]
    fn libraries_and_programs_are_targets() {
        let files = ["x/src/lib.rs", "x/src/a/lib_test.rs", "y/src/main.rs", "y/src/bin/z.rs"];
        let tree = SourceTree::of(&files.map(|file| (file, "")));
        assert_eq!(targets(&tree), ["x/src/lib.rs", "y/src/bin/z.rs", "y/src/main.rs"]);
    }
}
