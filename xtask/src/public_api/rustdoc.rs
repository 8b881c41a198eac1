//! rustdoc's JSON of the published crates.

use std::process::{Command, Stdio};

use crate::step::Step;

/// Set for the rustdoc that cargo starts: this program, which passes the call on.
const WRAPPER: &str = "SPANWISE_RUSTDOC_JSON";

const FLAGS: &str = "-Z unstable-options --output-format json";

/// Whether cargo started this program in place of rustdoc.
pub fn is_wrapper() -> bool {
    std::env::var_os(WRAPPER).is_some()
}

/// Runs rustdoc with these arguments and unstable options. Only rustdoc gets `RUSTC_BOOTSTRAP`:
/// build scripts would see it otherwise, and cargo would build all dependencies anew.
///
/// # Errors
/// When rustdoc cannot start or fails.
pub fn run_wrapper(args: &[String]) -> Result<(), String> {
    let status = rustdoc().args(args).status().map_err(|error| format!("rustdoc: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("rustdoc: {status}")) }
}

fn rustdoc() -> Command {
    let mut command = Command::new("rustdoc");
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Whether the installed rustdoc accepts the options.
pub fn writes_json() -> bool {
    let mut command = rustdoc();
    command.args(FLAGS.split(' ')).arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Writes `target/doc/<name>.json` for each of `crates`.
///
/// # Errors
/// When a crate does not compile.
pub fn write_json(crates: &[String]) -> Result<(), String> {
    let packages: Vec<String> = crates.iter().map(|name| format!("--package {name}")).collect();
    let own =
        std::env::current_exe().map_err(|error| format!("no path of this program: {error}"))?;
    let args = format!("doc --quiet --lib --no-deps --all-features {}", packages.join(" "));
    Step::cargo("rustdoc JSON", &args)
        .env("RUSTDOC", &own.to_string_lossy())
        .env("RUSTDOCFLAGS", &format!("-D warnings {FLAGS}"))
        .env(WRAPPER, "1")
        .run()
}
