//! Units of systemd, by `systemd-analyze`.

use super::setup::{Setup, read};
use crate::peers::Report;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let version = output(Command::new(PROGRAM).arg("--version"));
    if let Ok((_, text)) = &version {
        report.version(text.lines().next().unwrap_or_default());
    }
    for unit in UNITS {
        let name = format!("systemd/{unit}");
        match &version {
            Err(reason) => report.skip(&name, reason),
            Ok(_) => report.case(&name, || check(setup, unit)),
        }
    }
    Ok(())
}

fn check(setup: &Setup, unit: &str) -> Result<String, String> {
    let path = installed(setup, unit)?;
    let (verified, text) = output(Command::new(PROGRAM).args(["verify", "--man=no"]).arg(&path))?;
    // An unknown key is a warning, and the exit status 0.
    if !verified || !text.is_empty() {
        return Err(text);
    }
    let mut security = Command::new(PROGRAM);
    security.args(["security", "--no-pager", "--offline=true", &format!("--threshold={EXPOSURE}")]);
    let (rated, text) = output(security.arg(&path))?;
    let rating = text.lines().rev().find(|line| line.contains("exposure level"));
    let rating = rating.unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric());
    if rated { Ok(rating.to_owned()) } else { Err(rating.to_owned()) }
}

/// A copy of the unit, with a program that exists here.
fn installed(setup: &Setup, unit: &str) -> Result<PathBuf, String> {
    let mut text = String::new();
    for line in read(unit)?.lines() {
        let started = ["ExecStart=", "ExecStartPre="].into_iter().find_map(|key| {
            let command = line.strip_prefix(key).filter(|command| command.starts_with('/'))?;
            let arguments = command.split_once(' ').map(|(_, arguments)| arguments);
            Some(format!("{key}/bin/true {}", arguments.unwrap_or_default()))
        });
        text += started.as_deref().unwrap_or(line).trim_end();
        text += "\n";
    }
    let name = Path::new(unit).file_name().unwrap_or_default();
    let path: PathBuf = setup.scratch.path().join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Whether the command succeeded, and both of its outputs.
fn output(command: &mut Command) -> Result<(bool, String), String> {
    let output = command.stdin(Stdio::null()).env("SYSTEMD_COLORS", "0").output();
    let output = output.map_err(|error| format!("no {PROGRAM}: {error}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).trim().to_owned()))
}

const PROGRAM: &str = "systemd-analyze";
const UNITS: [&str; 3] = ["shop.service", "collector.service", "node/spanwise-node.service"];
/// Tenths: a unit without any of these settings has 96.
const EXPOSURE: u32 = 30;
