//! The files for `spanwise-node`: the node reads them, and its static binary runs alone.

use super::setup::{Setup, block, read};
use crate::peers::{Report, Running, Tool, free_ports};
use crate::step::root;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let program = match build() {
        Ok(program) => program,
        Err(reason) => {
            report.skip("node/", &reason);
            return Ok(());
        }
    };
    for (name, key) in FILES {
        report.case(&format!("node/{}", key.unwrap_or("node.yaml")), || {
            check(setup, &program, name, key)
        });
    }
    report.case("node/size", || size(&program));
    report.case("node/alone", || alone(setup, &program));
    Ok(())
}

/// The static binary, as the Containerfile builds it.
fn build() -> Result<PathBuf, String> {
    let version = Command::new("rustc").arg("-vV").output().map_err(|error| error.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    if !host.ends_with("-linux-gnu") {
        return Err(format!("the binary is static for linux-gnu, and this is {host}"));
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--profile", "dist", "-p", "spanwise-node", "--target", host]);
    cargo
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(root())
        .stdin(Stdio::null());
    match cargo.status() {
        Ok(status) if status.success() => {
            let target = std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| root().join("target"), PathBuf::from);
            Ok(target.join(host).join("dist/spanwise-node"))
        }
        Ok(status) => Err(format!("cargo build: {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// `spanwise-node check` accepts a file, or the one in a manifest.
fn check(setup: &Setup, program: &Path, name: &str, key: Option<&str>) -> Result<String, String> {
    let text = match key {
        Some(key) => block(&read(name)?, key)?,
        None => read(name)?,
    };
    let text = text.replace("${env:OTLP_AUTHORIZATION}", "Bearer example");
    let file = setup.scratch.path().join(key.unwrap_or("node.yaml"));
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let argument = file.display().to_string();
    let tool = Tool::new(program, &["check", &argument], Duration::from_secs(10));
    tool.run(&file.with_extension("log"))?;
    Ok("accepted".to_owned())
}

fn size(program: &Path) -> Result<String, String> {
    let bytes = fs::metadata(program).map_err(|error| error.to_string())?.len();
    let mib = bytes as f64 / f64::from(1 << 20);
    match bytes <= MAX_BYTES {
        true => Ok(format!("{mib:.1} MiB")),
        false => Err(format!("{mib:.1} MiB, more than {} MiB", MAX_BYTES >> 20)),
    }
}

/// The binary in a root that has nothing else, as another user, as the image starts it: it becomes ready and drains.
fn alone(setup: &Setup, program: &Path) -> Result<String, String> {
    let folder = setup.scratch.path().join("root");
    let failed = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::copy(program, folder.join("spanwise-node")).map_err(failed)?;
    let [otlp, admin] = free_ports()?;
    let file = format!(
        "receivers: [{{endpoint: 127.0.0.1:{otlp}}}]\ndestinations: [{{name: debug, debug: {{}}}}]\n\
         admin: {{endpoint: 127.0.0.1:{admin}}}\n"
    );
    fs::write(folder.join("node.yaml"), file).map_err(failed)?;
    let mut command = Command::new("chroot");
    command.arg("--userspec=10001:10001").arg(&folder).args(["/spanwise-node", "/node.yaml"]);
    let mut running = Running::start("node-alone", command)?;
    running.wait_for_ports(&[otlp, admin], Duration::from_secs(10))?;
    let answer = get(SocketAddr::from((Ipv4Addr::LOCALHOST, admin)), "/readyz").map_err(failed)?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        return Err(format!("/readyz: {answer}\n{}", running.last_lines()));
    }
    running.stop()?;
    Ok("ready in an empty root, as user 10001".to_owned())
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Files of the node, and those in manifests.
const FILES: [(&str, Option<&str>); 3] = [
    ("node/node.yaml", None),
    ("node/kubernetes.yaml", Some("gateway.yaml")),
    ("node/kubernetes.yaml", Some("sampler.yaml")),
];
const MAX_BYTES: u64 = 15 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_exist() {
        for (name, key) in FILES {
            assert!(super::super::setup::path(name).is_file(), "{name}");
            let text = read(name).unwrap_or_default();
            assert!(key.is_none_or(|key| block(&text, key).is_ok()), "{name} {key:?}");
        }
    }
}
