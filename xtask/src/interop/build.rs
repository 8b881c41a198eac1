//! The Collector, built from its Go modules.

use crate::peers::{Cache, Tool};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The release of all modules of the Collector: the newest whose modules of this list are all served.
pub(crate) const VERSION: &str = "v0.161.0";
/// The release of the modules that are stable.
const STABLE: &str = "v1.67.0";

/// Whether the cache has the program of the Collector.
pub(crate) fn is_built(cache: &Cache) -> bool {
    cache.has(&format!("otelcol-{VERSION}"))
}

/// The program of the Collector, from the cache or built now.
///
/// # Errors
/// A tool is missing, a module cannot be fetched, or the build fails or takes too long.
pub(crate) fn collector(cache: &Cache) -> Result<PathBuf, String> {
    let folder = cache.filled(&format!("otelcol-{VERSION}"), |folder| {
        println!("building the Collector {VERSION} in {}", folder.display());
        let started = Instant::now();
        let manifest = folder.join("manifest.yaml");
        std::fs::write(&manifest, self::manifest(folder)).map_err(|error| error.to_string())?;
        let install = go(cache, &["install", &format!("{BUILDER}@{VERSION}")], QUARTER);
        install.env("GOBIN", folder).run(&folder.join("builder.log"))?;
        let program = folder.join("builder").display().to_string();
        let config = format!("--config={}", manifest.display());
        environment(Tool::new(program, &[&config], BUILD), cache).run(&folder.join("build.log"))?;
        println!("built in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    })?;
    Ok(folder.join("otelcol"))
}

/// The command `go` with its caches inside of ours.
pub(crate) fn go(cache: &Cache, arguments: &[&str], limit: Duration) -> Tool {
    environment(Tool::new("go", arguments, limit), cache)
}

fn environment(tool: Tool, cache: &Cache) -> Tool {
    let path = cache.shared("go");
    tool.env("GOPATH", &path).env("GOMODCACHE", path.join("mod")).env("GOCACHE", path.join("build"))
}

/// The manifest of the builder.
fn manifest(folder: &Path) -> String {
    let mut text = format!(
        "dist:\n  module: example.com/otelcol\n  name: otelcol\n  description: for tests\n  \
         version: {VERSION}\n  output_path: {}\nconf_resolver:\n  default_uri_scheme: file\n",
        folder.display()
    );
    for (kind, modules) in MODULES {
        let _infallible = writeln!(text, "{kind}:");
        for module in modules {
            let release = if module.contains("/confmap/") { STABLE } else { VERSION };
            let _infallible = writeln!(text, "  - gomod: {module} {release}");
        }
    }
    let [module, release] = SERVED_IN_ANOTHER_RELEASE;
    text + &format!("replaces:\n  - {module} => {module} {release}\n")
}

const BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder";

const MODULES: [(&str, &[&str]); 4] = [
    ("receivers", &["go.opentelemetry.io/collector/receiver/otlpreceiver"]),
    (
        "processors",
        &[
            "github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor",
            "github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor",
        ],
    ),
    (
        "exporters",
        &[
            "go.opentelemetry.io/collector/exporter/otlpexporter",
            "go.opentelemetry.io/collector/exporter/otlphttpexporter",
            "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter",
            "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter",
        ],
    ),
    ("providers", &["go.opentelemetry.io/collector/confmap/provider/fileprovider"]),
];

/// A module of the resolver for AWS Cloud Map, which no case uses, in a release that every mirror of Go modules has.
const SERVED_IN_ANOTHER_RELEASE: [&str; 2] =
    ["github.com/aws/aws-sdk-go-v2/service/servicediscovery", "v1.40.2"];

const QUARTER: Duration = Duration::from_secs(900);
const BUILD: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_manifest_has_its_release() {
        let text = manifest(Path::new("/cache"));
        assert!(text.contains("\n  output_path: /cache\n"), "{text}");
        assert_eq!(text.matches("- gomod: ").count(), 8);
        // Seven modules and the distribution.
        assert_eq!(text.matches(" v0.161.0\n").count(), 8, "{text}");
        assert_eq!(text.matches("/fileprovider v1.67.0\n").count(), 1);
    }
}
