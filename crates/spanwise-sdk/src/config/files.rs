//! [`Files`]: the files of a declarative file's exporters, which are opened once every setting is resolved.
#![cfg_attr(not(feature = "config-file"), allow(dead_code, reason = "no exporter has a file"))]

use super::error::BuildError;
use spanwise_transport::__private::json_bound;
use spanwise_transport::{Bytes, Failure, FileSink, FileSinkError, Outcome, Sink, SinkFuture};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The files of exporters. An invalid setting anywhere leaves none of them behind, and an explanation opens none.
#[derive(Clone, Default)]
pub(super) struct Files {
    /// A doctor writes its span to the standard error in place of the standard output.
    pub(super) is_of_doctor: bool,
    /// That of the first destination.
    pub(super) first: Option<ExporterFile>,
    pub(super) further: Vec<ExporterFile>,
}

impl Files {
    /// Opens all files.
    ///
    /// # Errors
    /// One cannot be opened, or the thread that writes cannot be started.
    pub(super) fn open(&self) -> Result<(), BuildError> {
        self.open_first()?;
        self.further.iter().try_for_each(ExporterFile::open)
    }

    /// Opens that of the first destination.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn open_first(&self) -> Result<(), BuildError> {
        self.first.as_ref().map_or(Ok(()), ExporterFile::open)
    }
}

/// A file sink that is opened later. Clones share it.
#[derive(Clone)]
pub(super) struct ExporterFile(Arc<File>);

struct File {
    /// `None`: the standard output.
    path: Option<PathBuf>,
    sink: OnceLock<FileSink>,
    /// Adds the place in the declarative file.
    placed: Placed,
}

/// The error of a file with its place.
type Placed = Box<dyn Fn(FileSinkError) -> BuildError + Send + Sync>;

impl ExporterFile {
    pub(super) fn new(
        path: Option<PathBuf>,
        placed: impl Fn(FileSinkError) -> BuildError + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(File { path, sink: OnceLock::new(), placed: Box::new(placed) }))
    }

    fn open(&self) -> Result<(), BuildError> {
        let File { path, sink, placed } = &*self.0;
        let builder = FileSink::builder();
        let builder = path.iter().fold(builder, |builder, path| builder.with_path(path));
        let _first = sink.set(builder.build().map_err(placed)?);
        Ok(())
    }
}

impl Sink for ExporterFile {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        match self.0.sink.get() {
            Some(sink) => sink.take(request),
            // No provider sends before its files are open.
            None => Box::pin(std::future::ready(Outcome::Failed(Failure::Shutdown))),
        }
    }

    fn name(&self) -> String {
        let path = self.0.path.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| "the standard output".to_owned())
    }

    fn copy_bound(&self, len: usize) -> usize {
        json_bound(len)
    }

    fn last_failure(&self) -> Option<String> {
        self.0.sink.get()?.last_failure()
    }
}
