//! The OTLP transformer of JavaScript.

use super::dialogue::Dialogue;
use super::received::Received;
use super::send::send;
use super::setup::Setup;
use crate::peers::{Cache, Report, Request, Tool, compare};
use prost::Message as _;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(CASES.map(str::to_owned)) {
        return Ok(());
    }
    let folder = packages(&setup.cache)?;
    report.version(PACKAGES[0].replacen('@', "", 1).replace('@', " "));
    // Beside its modules, where the import of a module looks for them.
    let script = folder.join("peer.mjs");
    fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
    let mut command = Command::new("node");
    command.arg(script);
    let (mut peer, first) = Dialogue::start("the JavaScript peer", command)?;
    let (written, spans) = written_as(&mut peer, "protobuf")?;
    report.case(CASES[0], || Ok(format!("{spans} spans")));
    report.case(CASES[1], || {
        compare(&written_as(&mut peer, "json")?.0, &written)?;
        Ok(format!("{spans} spans as in protobuf"))
    });
    report.case(CASES[2], || {
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok());
        let port = port.ok_or_else(|| format!("the peer printed {first}"))?;
        send("http/json", port, written.encode_to_vec())?;
        let answer = peer.ask(&json!({ "do": "take" }))?;
        Ok(format!("{} spans as the transformer's own", answer["spans"]))
    });
    Ok(())
}

/// JavaScript sends its spans; `spanwise-receiver` and `spanwise-wire` read them.
fn written_as(peer: &mut Dialogue, format: &str) -> Result<(Request, usize), String> {
    let received = Received::start()?;
    let question = json!({ "do": "send", "port": received.port(), "format": format });
    let answer = peer.ask(&question)?;
    let (Some(spans), Some(0)) = (answer["spans"].as_u64(), answer["rejected"].as_u64()) else {
        return Err(format!("the peer answers {answer}"));
    };
    Ok((received.request(spans as usize)?, spans as usize))
}

/// The folder with the packages.
fn packages(cache: &Cache) -> Result<PathBuf, String> {
    let version = PACKAGES[0].rsplit('@').next().unwrap_or_default();
    cache.filled(&format!("otlp-transformer-{version}"), |folder| {
        println!("installing {} in {}", PACKAGES.join(" "), folder.display());
        let manifest: Value = json!({ "private": true });
        fs::write(folder.join("package.json"), manifest.to_string())
            .map_err(|error| error.to_string())?;
        let mut arguments = vec!["install", "--ignore-scripts", "--no-audit", "--no-fund"];
        arguments.extend(PACKAGES);
        Tool::new("npm", &arguments, LIMIT).dir(folder).run(&folder.join("npm.log")).map(drop)
    })
}

const CASES: [&str; 3] =
    ["javascript/writes/protobuf", "javascript/writes/json", "javascript/reads/json"];
/// The last release for Node.js 18.
const PACKAGES: [&str; 4] = [
    "@opentelemetry/otlp-transformer@0.223.1",
    "@opentelemetry/sdk-trace-base@2.12.1",
    "@opentelemetry/resources@2.12.1",
    "@opentelemetry/api@1.9.0",
];
const SCRIPT: &str = include_str!("peer.mjs");
const LIMIT: Duration = Duration::from_secs(600);
