//! `cargo xtask public-api`: no foreign crate in public signatures beyond an allow-list.

mod allowed;
mod rustdoc;
mod signatures;

use std::fs;

use allowed::{ALLOWED, Allowed};
use signatures::Foreign;

use crate::step::{root, target};
use crate::{Command, deps, only_flags};

pub use rustdoc::{is_wrapper, run_wrapper};

pub const COMMAND: Command = Command {
    name: "public-api",
    summary: "checks that public signatures name no foreign crate beyond an allow-list",
    help: "Reads the JSON that rustdoc writes for each published crate with all features. std, core, alloc\n\
           and the workspace's own crates are free; others need a line with a reason in\n\
           xtask/src/public_api/allowed.rs. A line without use is an error. Items that are\n\
           `#[doc(hidden)]` are not public.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &[])?;
    if let Some(reason) = check_or_skip()? {
        println!("SKIPPED: {reason}");
    }
    Ok(())
}

/// Checks every published crate, or returns the reason why that is impossible here.
///
/// # Errors
/// Those of the check.
pub fn check_or_skip() -> Result<Option<String>, String> {
    if let Some(reason) = unavailable() {
        return Ok(Some(reason));
    }
    check().map(|()| None)
}

/// The reason why the check cannot run here.
pub fn unavailable() -> Option<String> {
    let reason = "public signatures: this rustdoc does not write JSON (-Z unstable-options)";
    (!rustdoc::writes_json()).then(|| reason.to_owned())
}

/// The packages whose documentation [`check_or_skip`] checks, too: rustdoc has the same lints for its JSON.
///
/// # Errors
/// Those of cargo.
pub fn documented() -> Result<Vec<String>, String> {
    if unavailable().is_some() { Ok(Vec::new()) } else { libraries() }
}

fn libraries() -> Result<Vec<String>, String> {
    let mut crates = deps::published()?;
    // A crate of a binary alone has no signatures that others see.
    crates.retain(|name| root().join(format!("crates/{name}/src/lib.rs")).exists());
    Ok(crates)
}

/// # Errors
/// Lists every use of a foreign crate, and every entry of the allow-list without use.
fn check() -> Result<(), String> {
    let crates = libraries()?;
    rustdoc::write_json(&crates)?;
    let mut foreign = Vec::new();
    for name in &crates {
        let path = target().join(format!("doc/{}.json", name.replace('-', "_")));
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let found = signatures::foreign(&text).map_err(|reason| format!("{name}: {reason}"))?;
        foreign.extend(found.into_iter().map(|found| (name.clone(), found)));
    }
    let problems = problems(&foreign, ALLOWED);
    if problems.is_empty() {
        println!("{} crates, {} foreign types in their signatures", crates.len(), foreign.len());
        return Ok(());
    }
    Err(format!("{} problems\n{}", problems.len(), problems.join("\n")))
}

/// `foreign` are names of crates with what they use.
fn problems(foreign: &[(String, Foreign)], allowed: &[Allowed]) -> Vec<String> {
    let is = |entry: &Allowed, name: &str, found: &Foreign| {
        let rest = found.path.strip_prefix(entry.foreign);
        entry.name == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let mut problems: Vec<String> = foreign
        .iter()
        .filter(|(name, found)| !allowed.iter().any(|entry| is(entry, name, found)))
        .map(|(name, Foreign { path, place, item, .. })| {
            format!("{place}: {item} of {name} names {path}")
        })
        .collect();
    problems.sort();
    problems.dedup();
    for entry in allowed {
        if !foreign.iter().any(|(name, found)| is(entry, name, found)) {
            let Allowed { name, foreign, .. } = entry;
            problems.push(format!(
                "{name} no longer names {foreign}: remove it from xtask/src/public_api/allowed.rs"
            ));
        }
        if entry.reason.is_empty() {
            problems.push(format!("{} may name {}, without a reason", entry.name, entry.foreign));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(name: &str, package: &str) -> (String, Foreign) {
        let found = Foreign {
            path: format!("{package}::T"),
            item: "f".to_owned(),
            place: "a.rs:1".to_owned(),
        };
        (name.to_owned(), found)
    }

    const BYTES: Allowed = Allowed { name: "x", foreign: "bytes", reason: "buffers" };

    #[test]
    fn only_allowed_crates_pass() {
        assert_eq!(problems(&[used("x", "bytes")], &[BYTES]), [""; 0]);
        let found =
            problems(&[used("x", "bytes"), used("x", "http"), used("y", "bytes")], &[BYTES]);
        assert_eq!(found, ["a.rs:1: f of x names http::T", "a.rs:1: f of y names bytes::T"]);
        assert_eq!(problems(&[used("x", "bytes_more")], &[BYTES]).len(), 2);
    }

    #[test]
    fn an_entry_needs_a_use_and_a_reason() {
        assert!(problems(&[], &[BYTES])[0].contains("no longer names bytes"));
        let silent = Allowed { reason: "", ..BYTES };
        assert_eq!(
            problems(&[used("x", "bytes")], &[silent]),
            ["x may name bytes, without a reason"]
        );
    }
}
