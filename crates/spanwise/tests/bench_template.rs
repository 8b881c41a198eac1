//! The bench that users copy compiles, and its answers are right.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[allow(dead_code, reason = "the template has a `main` of its own")]
#[path = "../benches/template.rs"]
mod template;

use criterion::Criterion;
use std::time::Duration;

/// Two runs at a time would wait for each other's threads; the times are not looked at.
#[test]
fn the_template_measures_and_checks_its_answers() {
    template::allocations().unwrap();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(10))
        .nresamples(1_000)
        .output_directory(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")))
        .without_plots();
    template::times(&mut criterion);
}

/// The page for users has the manifest that the template needs.
#[test]
fn the_page_names_what_the_template_needs() {
    let page = include_str!("../../../docs/benchmarking-your-code.md");
    let source = include_str!("../benches/template.rs");
    for line in ["harness = false", "features = [\"testing\"]", "name = \"tracing\""] {
        assert!(page.contains(line), "{line}");
    }
    for name in ["CountingAllocator", "count_allocations", "handler", "SPANS", "LIMIT"] {
        assert!(source.contains(name) && page.contains(&format!("`{name}`")), "{name}");
    }
    let criterion =
        include_str!("../../../Cargo.toml").lines().find(|line| line.starts_with("criterion"));
    let version = criterion.unwrap().split('"').nth(1).unwrap().rsplit_once('.').unwrap().0;
    assert!(page.contains(&format!("criterion = \"{version}\"")), "criterion {version}");
}
