//! The command `spanwise`. Each subcommand has a file of its own; `arguments` lists them.

mod address;
mod arguments;
mod attributes;
mod cargo_lock;
mod command;
mod config_check;
mod config_explain;
mod doctor;
mod explain;
mod explanation_json;
mod features;
mod http;
mod plain;
mod problems;
mod redact;
mod rust_log;
mod slip;
mod spool;
#[cfg(feature = "top")]
mod top;
mod traces_file;

use std::process::ExitCode;

fn main() -> ExitCode {
    arguments::run(std::env::args_os().skip(1).collect())
}
