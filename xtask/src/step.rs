//! Running one external command after the other, each with its name and its time.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A named command, run in the workspace's root.
pub struct Step {
    name: String,
    command: Command,
}

impl Step {
    /// `cargo` with these arguments, split at blanks.
    pub fn cargo(name: impl Into<String>, args: &str) -> Step {
        let mut command = cargo();
        command.args(args.split_whitespace());
        Step { name: name.into(), command }
    }

    /// A program that cargo has built with the profile of this one.
    ///
    /// # Errors
    /// The path of this program is not known.
    pub fn beside_us(name: impl Into<String>, program: &str) -> Result<Step, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        let mut command = Command::new(own.with_file_name(file));
        command.current_dir(root());
        Ok(Step { name: name.into(), command })
    }

    /// `cargo` of another toolchain, by way of rustup.
    pub fn rustup(name: impl Into<String>, toolchain: &str, args: &str) -> Step {
        let mut command = Command::new("rustup");
        command.current_dir(root()).args(["run", toolchain, "cargo"]).args(args.split_whitespace());
        Step { name: name.into(), command }
    }

    /// Adds arguments, which may have blanks.
    pub fn args(mut self, args: &[String]) -> Step {
        self.command.args(args);
        self
    }

    /// Sets an environment variable for this step only.
    pub fn env(mut self, key: &str, value: &str) -> Step {
        self.command.env(key, value);
        self
    }

    /// Runs the command with its output passed through, and prints its name and time.
    ///
    /// # Errors
    /// When it cannot start or ends with a status other than 0; the message names the step.
    pub fn run(mut self) -> Result<(), String> {
        timed(&self.name, || {
            let status = self.command.status().map_err(|error| format!("cannot start: {error}"))?;
            if status.success() { Ok(()) } else { Err(format!("{:?}: {status}", self.command)) }
        })
    }

    /// Whether the command can run here and succeeds; its output is thrown away.
    pub fn succeeds_quietly(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }
}

/// Runs `action` between two lines: its name, and how long it took.
///
/// # Errors
/// Those of `action`, with the name in front.
pub fn timed(name: &str, action: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("── {name}");
    let start = Instant::now();
    action().map_err(|reason| format!("{name} failed: {reason}"))?;
    println!("── {name}: {:.1} s\n", start.elapsed().as_secs_f64());
    Ok(())
}

/// The standard output of `cargo` with these arguments.
///
/// # Errors
/// When it cannot start, fails, or does not write UTF-8.
pub fn output_of_cargo(args: &str) -> Result<String, String> {
    output(cargo(), "cargo", args)
}

/// The standard output of `rustc` with these arguments.
///
/// # Errors
/// When it cannot start, fails, or does not write UTF-8.
pub fn output_of_rustc(args: &str) -> Result<String, String> {
    output(Command::new("rustc"), "rustc", args)
}

fn output(mut command: Command, name: &str, args: &str) -> Result<String, String> {
    command.args(args.split_whitespace()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cannot start {name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} {args}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{name} {args}: {error}"))
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

fn cargo() -> Command {
    // The cargo that runs us, so that `cargo +toolchain xtask` stays with its toolchain.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    variables_of_run().for_each(|name| _ = command.env_remove(name));
    command
}

/// The variables that cargo sets for a program that it runs, as this one. Build scripts that read those of their own package run again
/// when another cargo inherits them.
pub fn variables_of_run() -> impl Iterator<Item = OsString> {
    let is_set_by_run = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().map(|(name, _)| name).filter(is_set_by_run)
}
