//! The Collector, certificates and spans of a run, for all of its parts.

use super::build;
use crate::peers::{Cache, Certificates, Corpus, Report, Scratch};
use std::path::PathBuf;

pub(super) struct Setup {
    pub(super) cache: Cache,
    /// The program of the Collector.
    pub(super) collector: PathBuf,
    pub(super) certificates: Certificates,
    pub(super) corpus: Corpus,
    /// For the files of the run.
    pub(super) scratch: Scratch,
}

impl Setup {
    /// Builds the Collector and makes certificates and spans.
    ///
    /// # Errors
    /// The Collector cannot be built, or `openssl` is missing.
    pub(super) fn make(report: &mut Report) -> Result<Self, String> {
        let cache = Cache::open()?;
        let collector = build::collector(&cache)?;
        report.version(format!("OpenTelemetry Collector {}", build::VERSION));
        let scratch = Scratch::new("interop")?;
        let certificates = Certificates::make(scratch.path())?;
        Ok(Self { cache, collector, certificates, corpus: Corpus::new()?, scratch })
    }
}
