//! The examples of `docs/configuration.md`: each file has the error, or the explanation, that follows it.

use spanwise_sdk::{Spanwise, SpanwiseBuilder};
use std::path::{Path, PathBuf};

/// The kind and the text of each code block.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once('\n')).collect()
}

/// Each YAML file with the text that follows it.
fn examples(page: &str) -> Vec<(String, String)> {
    let blocks = blocks(page);
    let pairs = blocks.iter().zip(blocks.iter().skip(1));
    let of_files = pairs.filter(|(first, second)| first.0 == "yaml" && second.0 == "text");
    of_files.map(|(file, text)| (file.1.to_owned(), text.1.trim().to_owned())).collect()
}

/// Builders for the file `otel.yaml` with this text, which is removed afterwards.
fn with_file(text: &str, number: usize, check: impl Fn(SpanwiseBuilder, &Path)) {
    let name = format!("spanwise-page-{}-{number}", std::process::id());
    let folder: PathBuf = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("otel.yaml");
    std::fs::write(&path, text).unwrap();
    let builder = Spanwise::builder().with_diagnostics(|_| {}).with_environment(|_| None);
    check(builder.with_config_file(&path), &path);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_page_shows_the_errors_and_the_rows_that_its_files_have() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples = examples(&page);
    assert_eq!(examples.len(), 5, "{examples:?}");
    for (number, (file, expected)) in examples.iter().enumerate() {
        with_file(file, number, |builder, path| {
            let own = |text: &str| text.replace(&path.display().to_string(), "otel.yaml");
            match builder.explain() {
                Err(error) => assert_eq!(own(&error.to_string()), *expected),
                Ok(explanation) => {
                    let table = own(&explanation.to_string());
                    for row in expected.lines() {
                        // The width of a column depends on the name of this program.
                        let words =
                            |line: &str| line.split("  ").map(str::trim).collect::<String>();
                        let is_row = |line: &str| words(line) == words(row);
                        assert!(table.lines().any(is_row), "{row}\n{table}");
                    }
                }
            }
        });
    }
}
