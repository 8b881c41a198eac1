//! Manifests against the types that Kubernetes publishes as Go modules.

use super::setup::{MANIFESTS, Setup, path};
use crate::interop::build::go;
use crate::peers::{Cache, Report};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The release of `k8s.io/api` and `k8s.io/apimachinery`: Kubernetes 1.35.
const RELEASE: &str = "v0.35.10";

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let name = "kubernetes/types";
    let version = Command::new("go").arg("version").stdin(Stdio::null()).output();
    if !version.is_ok_and(|output| output.status.success()) {
        report.skip(name, "go is not installed");
        return Ok(());
    }
    report.case(name, || {
        let program = program(&setup.cache)?;
        let output = Command::new(program).args(MANIFESTS.map(path)).stdin(Stdio::null()).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(format!("{}, by k8s.io/api {RELEASE}", text(&output.stdout))),
            false => Err(text(&output.stderr)),
        }
    });
    Ok(())
}

/// The program of `kubernetes.go`, from the cache or built now.
fn program(cache: &Cache) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let name = format!("kubernetes-types-{RELEASE}-{:016x}", hasher.finish());
    let folder = cache.filled(&name, |folder| {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(folder.join("main.go"), SOURCE).map_err(failed)?;
        let module = format!(
            "module example.com/manifests\n\ngo 1.24\n\nrequire (\n\tk8s.io/api {RELEASE}\n\t\
             k8s.io/apimachinery {RELEASE}\n)\n"
        );
        fs::write(folder.join("go.mod"), module).map_err(failed)?;
        let build = go(cache, &["build", "-mod=mod", "-o", "manifests", "."], LIMIT);
        build.dir(folder).run(&folder.join("build.log")).map(drop)
    })?;
    Ok(folder.join("manifests"))
}

const SOURCE: &str = include_str!("kubernetes.go");
const LIMIT: Duration = Duration::from_secs(900);
