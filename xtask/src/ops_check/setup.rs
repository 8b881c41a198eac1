//! The files of `docs/operations/`, the cache and the programs of a run.

use super::prometheus;
use super::tables::Tables;
use crate::peers::{Cache, Report, Scratch};
use crate::step::root;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(super) struct Setup {
    pub(super) cache: Cache,
    pub(super) scratch: Scratch,
    pub(super) files: Files,
    /// The folder of Prometheus and promtool, or why there is none.
    pub(super) programs: Result<PathBuf, String>,
    pub(super) target: Target,
}

/// The target of the scrapes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Target {
    /// A process of this command's own, under faults.
    #[default]
    Process,
    /// The values that the page of metrics stands for.
    MadeUp,
    /// Another process on loopback.
    Address(SocketAddr),
}

/// The texts of the files.
pub(super) struct Files {
    pub(super) metrics: String,
    pub(super) rules: String,
    pub(super) dashboard: String,
}

impl Setup {
    /// # Errors
    /// A file cannot be read, or there is no folder for the cache or for temporary files.
    pub(super) fn make(report: &mut Report, target: Target) -> Result<Self, String> {
        let cache = Cache::open()?;
        let programs = prometheus::programs(&cache);
        if let Ok(programs) = &programs {
            report.version(prometheus::version(programs));
        }
        let programs = programs.map_err(|reason| format!("no Prometheus: {}", reason.trim_end()));
        let (scratch, files) = (Scratch::new("ops-check")?, Files::read()?);
        Ok(Self { cache, scratch, files, programs, target })
    }

    /// The tables of the page.
    ///
    /// # Errors
    /// A row has a mistake.
    pub(super) fn tables(&self) -> Result<Tables, String> {
        Tables::read(&self.files.metrics)
    }
}

impl Files {
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read() -> Result<Self, String> {
        let text = |name: &str| {
            let path = path(name);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Self { metrics: text(METRICS)?, rules: text(RULES)?, dashboard: text(DASHBOARD)? })
    }
}

/// The place of a file of `docs/operations/`.
pub(super) fn path(name: &str) -> PathBuf {
    root().join(Path::new("docs/operations")).join(name)
}

/// The page that has the reports.
pub(super) fn page() -> PathBuf {
    root().join("docs/operations.md")
}

pub(super) const METRICS: &str = "metrics.md";
pub(super) const RULES: &str = "spanwise-alerts.yml";
pub(super) const TESTS_OF_RULES: &str = "spanwise-alerts.test.yml";
pub(super) const DASHBOARD: &str = "spanwise-dashboard.json";
