//! The example `outage`, of two seconds: without the harness of tests, because it runs this program as its service.

#[path = "../examples/outage.rs"]
mod outage;

use std::error::Error;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => outage::main(),
        _ => outage::outage(2.0),
    }
}
