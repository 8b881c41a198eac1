//! Builds the program that is checked.

use super::options::Options;
use crate::peers::{Scratch, Tool};
use crate::step::{output_of_rustc, root, variables_of_run};
use std::path::PathBuf;
use std::time::Duration;

/// Builds `spanwise-node`, or finds that it is built.
///
/// # Errors
/// It does not build.
pub(super) fn build(options: &Options, scratch: &Scratch) -> Result<PathBuf, String> {
    let which = if options.is_debug { OF_THE_TESTS } else { OPTIMIZED };
    run(which, "", scratch)
}

/// Builds the program that is shipped: static, and without symbols.
///
/// # Errors
/// It does not build.
pub(super) fn dist(scratch: &Scratch) -> Result<PathBuf, String> {
    let version = output_of_rustc("-vV")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc names no host")?;
    // Without a target, build scripts and macros would be static, too, which they cannot be.
    let which = format!("build --profile dist -p spanwise-node --target {host}");
    run(&which, "-C target-feature=+crt-static", scratch)
}

fn run(which: &str, flags: &str, scratch: &Scratch) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut arguments: Vec<&str> = which.split_whitespace().collect();
    arguments.extend(["--message-format", "json-render-diagnostics"]);
    let mut tool = Tool::new(cargo, &arguments, Duration::from_secs(3_600))
        .dir(&root())
        .without(variables_of_run());
    if !flags.is_empty() {
        tool = tool.env("RUSTFLAGS", flags);
    }
    let text = tool.run(&scratch.path().join("build"))?;
    let artifacts =
        text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs =
        artifacts.filter_map(|artifact| Some(PathBuf::from(artifact["executable"].as_str()?)));
    programs.find(|path| path.ends_with("spanwise-node")).ok_or("cargo built no program".to_owned())
}

const OPTIMIZED: &str = "build --release -p spanwise-node";
/// A test of the node needs its program. Any other selection of packages has other features, and is built anew.
const OF_THE_TESTS: &str = "test --workspace --all-features --no-run --test process";
