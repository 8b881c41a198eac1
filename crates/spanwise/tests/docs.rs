//! What the documentation of this crate shows compiles for who depends on nothing else of Spanwise.
//!
//! rustdoc shows, under the names of this crate, the items of the crates below with their examples.
//! Each example is compiled where it stands, with an alias for this crate that readers do not see; here
//! it is checked that what they do see names this crate and no other of ours, and is the whole program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Sources of the items that are shown under names of this crate.
const SHOWN: [&str; 7] = [
    "spanwise/README.md",
    "spanwise/src",
    "spanwise-sdk/src",
    "spanwise-sampling/src",
    "spanwise-transport/src/sink.rs",
    "spanwise-ledger/src/reason.rs",
    "spanwise-ledger/src/snapshot.rs",
];

/// What stands before an example for the crate it stands in, out of sight.
const ALIASES: [&str; 2] = ["# use spanwise_sdk as spanwise;", "# mod spanwise {"];

/// Crates that the reader has.
const KNOWN: [&str; 6] =
    ["spanwise", "std", "tokio", "tracing", "tracing_subscriber", "tracing_opentelemetry"];

#[test]
fn every_example_names_this_crate_and_hides_nothing() {
    let mut seen = 0;
    for path in SHOWN.map(crate_path).iter().flat_map(|path| files(path)) {
        for example in examples(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            let at = format!("{}:\n{}", path.display(), example.join("\n"));
            let (hidden, visible): (Vec<_>, Vec<_>) =
                example.iter().partition(|line| line.starts_with("# ") || *line == "#");
            let is_alias = |line: &String| ALIASES.iter().any(|alias| line.starts_with(alias));
            assert!(hidden.into_iter().all(is_alias), "hides code: {at}");
            for line in &visible {
                assert!(!line.contains("spanwise_"), "names an inner crate: {at}");
                // Whoever depends on this crate alone reaches the API through it.
                let bare = line.trim_start().starts_with("opentelemetry::");
                assert!(!bare, "names a crate that the reader has not: {at}");
                let path = line.trim_start().strip_prefix("use ");
                let root = path.and_then(|path| path.split([':', ';', ' ']).next());
                assert!(root.is_none_or(|root| KNOWN.contains(&root)), "{root:?} is unknown: {at}");
            }
            let returns = visible.iter().any(|line| line.starts_with("fn main() -> Result<"));
            let asks = visible.iter().any(|line| line.contains("?;") || line.contains("?)"));
            assert!(returns || !asks, "needs a function that returns: {at}");
        }
    }
    assert!(seen >= 15, "only {seen} examples were found");
}

/// On GitHub and crates.io nothing hides a line.
#[test]
fn no_readme_has_hidden_lines() {
    let crates = crate_path("");
    let entries = fs::read_dir(&crates).unwrap().map(|entry| entry.unwrap().path());
    let readmes = entries.map(|path| path.join("README.md")).chain([crates.join("../README.md")]);
    let readmes: Vec<_> = readmes.collect();
    assert!(readmes.len() > 10);
    for path in readmes {
        for example in examples(&fs::read_to_string(&path).unwrap()) {
            let hides = |line: &String| line.starts_with("# ") || line == "#";
            assert!(!example.iter().any(hides), "{}:\n{}", path.display(), example.join("\n"));
        }
    }
}

/// The README's list, the crate's modules, and what a reader can write are the same.
#[cfg(feature = "zero-copy")]
#[test]
fn the_readme_lists_the_modules_that_there_are() {
    use spanwise::{
        batch, ledger, opentelemetry, pool, sampling, transport, wire, worker, zero_copy,
    };
    let names = [
        "batch",
        "ledger",
        "opentelemetry",
        "pool",
        "sampling",
        "transport",
        "wire",
        "worker",
        "zero_copy",
    ];
    // One item of each.
    let items = [
        size_of::<batch::Budget>(),
        size_of::<ledger::Ledger>(),
        size_of::<opentelemetry::KeyValue>(),
        size_of::<pool::SpanPool>(),
        size_of::<sampling::Sampler>(),
        size_of::<transport::Transport>(),
        size_of::<wire::Chunk>(),
        size_of::<worker::Worker>(),
        size_of::<zero_copy::ByteStr>(),
    ];
    assert_eq!(items.len(), names.len());

    let readme = fs::read_to_string(crate_path("spanwise/README.md")).unwrap();
    let listed = readme.split("## Neighbours").nth(1).unwrap();
    let listed = listed.split('`').filter_map(|word| word.strip_prefix("spanwise::"));
    assert_eq!(sorted(listed), names);

    let source = fs::read_to_string(crate_path("spanwise/src/lib.rs")).unwrap();
    // `testing` is no layer and in a file of its own.
    let modules = source.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let modules = modules.filter_map(|name| name.strip_suffix(" {"));
    assert_eq!(sorted(modules.chain(["opentelemetry"])), names);
}

/// What an example of the SDK names, this crate has.
#[test]
fn all_of_the_sdk_is_at_the_root() {
    let names = |path: &str, of: &str| {
        let source = fs::read_to_string(crate_path(path)).unwrap();
        let uses = source.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
        let uses: Vec<_> = uses.filter(|path| path.contains(of)).map(str::to_owned).collect();
        let words = uses.iter().flat_map(|path| path.split(['{', '}', ',', ':', ' ', '\n']));
        let is_item = |word: &&str| word.starts_with(char::is_uppercase);
        sorted(words.filter(is_item)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let sdk = names("spanwise-sdk/src/lib.rs", "::");
    assert!(sdk.len() > 20, "{sdk:?}");
    assert_eq!(names("spanwise/src/lib.rs", "spanwise_sdk::"), sdk);
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

fn crate_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| files(&path)).collect()
}

/// The lines of each Rust example in a Markdown text or in the doc comments of a source.
fn examples(text: &str) -> Vec<Vec<String>> {
    let is_markdown = text.starts_with("# ");
    let mut examples = Vec::new();
    // `Some(None)`: inside a block that is no Rust.
    let mut open: Option<Option<Vec<String>>> = None;
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix("///").or(line.strip_prefix("//!"));
        let line = match comment {
            _ if is_markdown => line,
            Some(comment) => comment.strip_prefix(' ').unwrap_or(comment),
            None => continue,
        };
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                let is_rust = matches!(kind.split(',').next(), Some("" | "no_run" | "rust"));
                open = Some(is_rust.then(Vec::new));
            }
            (Some(_), Some(_)) => examples.extend(open.take().flatten()),
            (Some(Some(example)), None) => example.push(line.to_owned()),
            _ => {}
        }
    }
    examples
}
