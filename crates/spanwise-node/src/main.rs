//! The command `spanwise-node`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanwise_node::run(std::env::args_os().skip(1).collect())
}
