//! The machine of a report: numbers mean nothing without it.

use serde_json::{Value, json};
use std::fs::read_to_string;
use std::process::Command;

/// The properties of this machine that a reader needs.
pub(super) fn describe() -> Value {
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    let clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "cpu": field(&cpuinfo, "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field(&memory, "MemTotal"),
        "clocksource": read_to_string(clock).ok().map(|name| name.trim().to_owned()),
        "kernel": read_to_string("/proc/sys/kernel/osrelease").ok().map(|name| name.trim().to_owned()),
        "rustc": rustc(),
        // Other programs' load when the report was written.
        "load": load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
    })
}

/// `rustc --version` without the word.
pub(super) fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().trim_start_matches("rustc ").to_owned())
}
