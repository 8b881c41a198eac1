//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command with these arguments, without the name of the program.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let _ = arguments;
    ExitCode::SUCCESS
}
