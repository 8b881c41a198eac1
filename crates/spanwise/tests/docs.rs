//! The documentation of this crate compiles for a program that depends on no other crate of Spanwise,
//! and names every public item of the layers.
//!
//! rustdoc shows, under the names of this crate, the items of the crates below with their examples.
//! A doctest compiles each example where it stands, with an alias for this crate in a hidden line. The
//! tests here check that the visible lines name this crate and no other of ours, and are the whole
//! program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Sources of the items that rustdoc shows under names of this crate.
const SHOWN: [&str; 7] = [
    "spanwise/README.md",
    "spanwise/src",
    "spanwise-sdk/src",
    "spanwise-sampling/src",
    "spanwise-transport/src/sink.rs",
    "spanwise-ledger/src/reason.rs",
    "spanwise-ledger/src/snapshot.rs",
];

/// Hidden lines by which an example compiles in the crate that has it.
const ALIASES: [&str; 2] = ["# use spanwise_sdk as spanwise;", "# mod spanwise {"];

/// Crates that a program has which depends on this one.
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
                // A program that depends on this crate alone reaches the API through it.
                let bare = line.trim_start().starts_with("opentelemetry::");
                assert!(!bare, "names a crate that a program need not have: {at}");
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

/// GitHub and crates.io show the lines that rustdoc hides.
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

/// Modules of this crate, each with the crate whose items it re-exports.
const LAYERS: [(&str, &str); 18] = [
    ("admin", "spanwise-admin"),
    ("batch", "spanwise-batch"),
    ("config", "spanwise-config"),
    ("export", "spanwise-export"),
    ("ledger", "spanwise-ledger"),
    ("metrics", "spanwise-metrics"),
    ("pool", "spanwise-pool"),
    ("profiling", "spanwise-profiling"),
    ("redaction", "spanwise-redact"),
    ("sampling", "spanwise-sampling"),
    ("sdk", "spanwise-sdk"),
    ("tail", "spanwise-tail"),
    ("tracing", "spanwise-tracing"),
    ("transport", "spanwise-transport"),
    ("wire", "spanwise-wire"),
    ("worker", "spanwise-worker"),
    ("zero_copy", "spanwise-bytes"),
    // The root has the provider's items too.
    ("", "spanwise-sdk"),
];

/// Items of features that this crate leaves off. Modules that begin with `__` are for other layers.
const LEFT_OFF: [&str; 5] =
    ["object_pool", "InsufficientCapacity", "RateError", "RateLimiter", "planted"];

/// Items of the module `tracing` that are this crate's own.
const OWN_OF_TRACING: [&str; 4] = ["InitError", "TracingBuilder", "builder", "init"];

/// The README lists the modules of `lib.rs`, and those of the table above.
#[test]
fn the_readme_lists_every_layer() {
    let layers = LAYERS.iter().map(|(module, _)| *module).filter(|module| !module.is_empty());
    let modules = sorted(layers.chain(["opentelemetry"]));

    let readme = fs::read_to_string(crate_path("spanwise/README.md")).unwrap();
    let listed = readme.split("## Neighbours").nth(1).unwrap();
    let listed = listed.split('`').filter_map(|name| name.strip_prefix("spanwise::"));
    assert_eq!(sorted(listed), modules);

    let source = fs::read_to_string(crate_path("spanwise/src/lib.rs")).unwrap();
    // `testing` is no layer and in a file of its own.
    let inline = source.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let inline = inline.filter_map(|name| name.strip_suffix(" {"));
    assert_eq!(sorted(inline.chain(["opentelemetry"])), modules);
}

/// An item that a layer exports is in the layer's module, by name and not by `*`.
#[test]
fn every_public_item_of_a_layer_is_re_exported_by_name() {
    let facade = fs::read_to_string(crate_path("spanwise/src/lib.rs")).unwrap();
    for (module, layer) in LAYERS {
        let source = fs::read_to_string(crate_path(layer).join("src/lib.rs")).unwrap();
        let mut expected = exported(&top_level(&source));
        expected.retain(|name| !LEFT_OFF.contains(&name.as_str()) && !name.starts_with("__"));
        assert!(expected.len() >= 3, "{layer}: {expected:?}");
        let exports = if module.is_empty() {
            // The rest of the root is `init`, which the README shows; `sampling` has a module, and the items of
            // `settings` are in `config`.
            expected.retain(|name| name != "sampling" && name != "settings");
            let mut exports = exported(&top_level(&facade));
            exports.retain(|name| name != "init" && name != "testing" && !is_layer(name));
            exports
        } else {
            let start = format!("pub mod {module} {{");
            let body = facade.split_once(&start).unwrap().1.split("\n}").next().unwrap();
            if module == "config" {
                expected.extend(exported(inline_module("spanwise-sdk", "settings").as_str()));
                expected.sort_unstable();
            }
            let mut exports = exported(body);
            // `tracing` has items of this crate too.
            exports.retain(|name| module != "tracing" || !OWN_OF_TRACING.contains(&name.as_str()));
            exports
        };
        assert_eq!(exports, expected, "spanwise::{module} and {layer}");
    }
}

/// The body of an inline module of a crate's root.
fn inline_module(name: &str, module: &str) -> String {
    let source = fs::read_to_string(crate_path(name).join("src/lib.rs")).unwrap();
    let (_, body) = source.split_once(&format!("pub mod {module} {{")).unwrap();
    body.split("\n}").next().unwrap().to_owned()
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(module, _)| *module == name)
}

/// The source without comments and without the bodies of its inline modules.
fn top_level(source: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in source.lines() {
        match (inside, line) {
            (true, "}") => inside = false,
            (true, _) => {}
            (false, _) => {
                text.push_str(line);
                text.push('\n');
                inside = line.starts_with("pub mod ") && line.ends_with('{');
            }
        }
    }
    text
}

/// The names that a source exports by `pub use`, `pub mod` and `pub fn`, in order.
fn exported(source: &str) -> Vec<String> {
    let code = source.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let code = code.collect::<Vec<_>>().join(" ");
    let mut names = Vec::new();
    for declared in code.split("pub ").skip(1) {
        let (kind, rest) = declared.split_once(' ').unwrap();
        match kind {
            "mod" | "fn" => {
                names.extend(rest.split([' ', ';', '{', '(']).next().map(str::to_owned));
            }
            "use" => {
                let path = rest.split(';').next().unwrap();
                let list = path.split_once('{').map_or(path, |(_, list)| list.trim_matches('}'));
                let items = list.split([',', '}']).map(str::trim).filter(|item| !item.is_empty());
                // `spanwise_sampling as sampling`, `config::Exporter`
                names.extend(items.map(|item| item.rsplit([' ', ':']).next().unwrap().to_owned()));
            }
            other => unreachable!("`pub {other}` at the root of a crate"),
        }
    }
    names.sort_unstable();
    names
}

/// Files and links that the guides and decisions name exist.
#[test]
fn pages_name_files_that_exist() {
    let root = crate_path("..");
    let pages = [
        "BENCHMARKS.md",
        "CONTRIBUTING.md",
        "DIAGNOSTICS.md",
        "MEMORY.md",
        "STYLE.md",
        "benchmarking-your-code.md",
        "configuration.md",
        "deploy/README.md",
        "examples.md",
        "tracing.md",
    ];
    let pages = pages.map(|page| root.join("docs").join(page));
    let pages = pages.into_iter().chain(files(&root.join("docs/decisions")));
    let mut seen = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let spans = text.split('`').skip(1).step_by(2);
        let is_path = |span: &&str| {
            let folders = ["crates/", "docs/", "benches/", "xtask/", ".ci/"];
            let is_pattern = |c: char| c.is_whitespace() || "<*{".contains(c);
            folders.iter().any(|folder| span.starts_with(folder)) && !span.contains(is_pattern)
        };
        let named = spans.filter(is_path).map(|path| root.join(path));
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
        for path in named.chain(links.map(|link| page.with_file_name(link))) {
            seen += 1;
            assert!(path.exists(), "{} names {}", page.display(), path.display());
        }
    }
    assert!(seen > 40, "only {seen} files were found");
}

/// The page of examples names each example of each crate.
#[test]
fn every_example_is_on_the_page_of_examples() {
    let page = fs::read_to_string(crate_path("../docs/examples.md")).unwrap();
    let crates = fs::read_dir(crate_path("")).unwrap().map(|entry| entry.unwrap().path());
    let folders = crates.map(|path| path.join("examples")).filter(|path| path.is_dir());
    let examples: Vec<_> = folders.flat_map(|folder| files(&folder)).collect();
    assert!(examples.len() >= 25, "only {} examples were found", examples.len());
    for example in examples {
        let name = example.file_stem().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("[`{name}`](")), "{}", example.display());
    }
}

/// The tests that a decision names as its proof exist.
#[test]
fn decisions_name_tests_that_exist() {
    let sources = files(&crate_path("")).into_iter();
    let sources =
        sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let code: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut seen = 0;
    for page in files(&crate_path("../docs/decisions")) {
        let text = fs::read_to_string(&page).unwrap();
        let proof = text.split("- Proved by").nth(1).unwrap_or_default();
        let names = proof.split('`').skip(1).step_by(2);
        // A crate or a bench has one word for a name.
        let is_name = |name: &&str| {
            name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        for name in names.filter(is_name) {
            seen += 1;
            assert!(code.contains(&format!("fn {name}()")), "{} names {name}", page.display());
        }
    }
    assert!(seen >= 10, "only {seen} tests were found");
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
