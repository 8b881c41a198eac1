//! `cargo xtask doctor` and `cargo xtask config`: forwarded to the command `spanwise`.

use crate::Command;
use crate::step::root;
use std::process;

pub const DOCTOR: Command = Command {
    name: "doctor",
    summary: "why spans do not arrive: `spanwise doctor`",
    help: "Builds the command `spanwise` of spanwise-cli and runs `spanwise doctor` with the given options. Its exit\n\
           status states whether a span arrived.",
    run: |arguments| forward("doctor", arguments),
};

pub const CONFIG: Command = Command {
    name: "config",
    summary: "the settings in effect, and checks of files: `spanwise config`",
    help: "Builds the command `spanwise` of spanwise-cli and runs `spanwise config` with the given arguments:\n\
           `explain [FILE]` or `check FILE`.",
    run: |arguments| forward("config", arguments),
};

/// Runs the command in the current folder, and exits with its status.
fn forward(command: &str, arguments: &[String]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = process::Command::new(cargo)
        .args(["run", "--quiet", "--package", "spanwise-cli", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--", command])
        .args(arguments)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    process::exit(status.code().unwrap_or(1))
}
