//! Builds the program that is checked.

use crate::peers::{Scratch, Tool};
use crate::step::{output_of_rustc, root};
use std::path::PathBuf;
use std::time::Duration;

/// The node with optimization.
///
/// # Errors
/// It does not build.
pub(super) fn release(scratch: &Scratch) -> Result<PathBuf, String> {
    build(&["--release"], "", scratch)
}

/// The node that is shipped: static, and without symbols.
///
/// # Errors
/// It does not build.
pub(super) fn dist(scratch: &Scratch) -> Result<PathBuf, String> {
    let version = output_of_rustc("-vV")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc names no host")?;
    // Without a target, build scripts and macros would be static, too, which they cannot be.
    build(&["--profile", "dist", "--target", host], "-C target-feature=+crt-static", scratch)
}

fn build(selection: &[&str], flags: &str, scratch: &Scratch) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let common = ["build", "-p", "spanwise-node", "--message-format", "json-render-diagnostics"];
    let arguments: Vec<&str> = common.iter().chain(selection).copied().collect();
    let mut tool = Tool::new(cargo, &arguments, Duration::from_secs(3_600)).dir(&root());
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
