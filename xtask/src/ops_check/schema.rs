//! The dashboard against the types that Grafana publishes as a Go module.

use crate::interop::build::go;
use crate::peers::Cache;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The module and its release.
pub(super) const MODULE: &str = "github.com/grafana/grafana-foundation-sdk/go";
pub(super) const RELEASE: &str = "v0.0.22";

/// Whether Go is installed.
pub(super) fn has_go() -> bool {
    let version = Command::new("go").arg("version").stdin(Stdio::null()).output();
    version.is_ok_and(|output| output.status.success())
}

/// Decodes the dashboard strictly, and returns the number of its panels as text.
///
/// # Errors
/// The module cannot be fetched or built, or the dashboard has a field that it does not know, lacks one or
/// has one of another type.
pub(super) fn check(cache: &Cache, dashboard: &Path) -> Result<String, String> {
    let program = program(cache)?;
    let output = Command::new(program).arg(dashboard).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn program(cache: &Cache) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let name = format!("grafana-schema-{RELEASE}-{:016x}", hasher.finish());
    let folder = cache.filled(&name, |folder| {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(folder.join("main.go"), SOURCE).map_err(failed)?;
        let module =
            format!("module example.com/schema\n\ngo 1.21\n\nrequire {MODULE} {RELEASE}\n");
        fs::write(folder.join("go.mod"), module).map_err(failed)?;
        let build = go(cache, &["build", "-mod=mod", "-o", "schema", "."], LIMIT);
        build.dir(folder).run(&folder.join("build.log")).map(drop)
    })?;
    Ok(folder.join("schema"))
}

const SOURCE: &str = include_str!("schema.go");
const LIMIT: Duration = Duration::from_secs(600);
