//! A file exporter that is explained and not started.

use spanwise_transport::__private::json_bound;
use spanwise_transport::{Bytes, Failure, Outcome, Sink, SinkFuture};
use std::path::Path;

/// Takes the place of a `FileSink`, which opens its file and starts a thread.
pub(super) struct UnopenedFile {
    name: String,
}

impl UnopenedFile {
    /// A file, or the standard output.
    pub(super) fn new(path: Option<&Path>) -> Self {
        let name = path.map(|path| path.display().to_string());
        Self { name: name.unwrap_or_else(|| "the standard output".to_owned()) }
    }
}

impl Sink for UnopenedFile {
    fn take(&self, _: Bytes) -> SinkFuture<'_> {
        // No provider is built with it.
        Box::pin(std::future::ready(Outcome::Failed(Failure::Shutdown)))
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn copy_bound(&self, len: usize) -> usize {
        json_bound(len)
    }
}
