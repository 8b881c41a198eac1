//! The Go program beside the Collector.

use crate::interop::build::{self, VERSION, go};
use crate::peers::Cache;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The program, from the cache or built now with the modules of the Collector.
///
/// # Errors
/// The Collector or the program cannot be built.
pub(super) fn program(cache: &Cache) -> Result<PathBuf, String> {
    let collector = build::collector(cache)?;
    let modules = collector.parent().ok_or("the Collector has no folder")?.to_owned();
    // A change of the program is another folder.
    let hash = MAIN.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folder = cache.filled(&format!("tail-bench-{VERSION}-{hash:016x}"), |folder| {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(folder.join("main.go"), MAIN).map_err(failed)?;
        // The releases of all modules are those of the Collector.
        for name in ["go.mod", "go.sum"] {
            fs::copy(modules.join(name), folder.join(name)).map_err(failed)?;
        }
        let build = go(cache, &["build", "-mod=mod", "-trimpath", "-o", "tail-bench", "."], BUILD);
        build.dir(folder).run(&folder.join("build.log")).map(drop)
    })?;
    Ok(folder.join("tail-bench"))
}

const MAIN: &str = include_str!("main.go");
const BUILD: Duration = Duration::from_secs(1_800);
