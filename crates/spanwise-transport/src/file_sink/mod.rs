//! A sink that writes requests to a file or to the standard output, as lines of OTLP/JSON.

mod builder;
mod error;
mod output;
mod turn;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::json_body;
use crate::{Failure, Outcome, Sink, SinkFuture};
use output::Output;
use writer::Writer;

pub use builder::FileSinkBuilder;
pub use error::FileSinkError;

/// A [`Sink`] that appends each request to a file or to the standard output as one line of OTLP/JSON.
///
/// The format is that of the specification's OTLP File exporter and of the Collector's `file` exporter:
/// one `ExportTraceServiceRequest` a line. The Collector's `otlpjsonfile` receiver reads it back.
///
/// A thread of the sink writes; neither the caller of [`send`](crate::Transport::send) nor a thread that
/// makes spans waits for the disk or for the reader of a pipe. A request is accepted once the operating
/// system has all its bytes; the sink does not call `fsync`. A request that cannot be written fails, the
/// reason is in [`Delivery::cause`](crate::Delivery::cause), and the next one is tried: a full disk or
/// a full file drops requests until there is space. A file that was removed or renamed, as programs that
/// rotate files do, is created again at its path before the next request is written. An incomplete line is removed; where it cannot be, on
/// a pipe or because another process has appended, it ends before the next one begins.
///
/// ```
/// use spanwise_transport::{BlockingTransport, FileSink};
///
/// # let folder = std::env::temp_dir();
/// # let path = folder.join(format!("file-sink-{}.jsonl", std::process::id()));
/// let sink = FileSink::builder().with_path(&path).build()?;
/// let transport = BlockingTransport::builder().with_sink(sink).build_blocking()?;
/// assert!(transport.send(Vec::new()).is_accepted());
/// # let _ = std::fs::remove_file(path);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileSink {
    shared: Arc<Shared>,
}

struct Shared {
    output: Output,
    writer: Arc<Writer>,
    /// The writer of a forked child, which has no thread of its parent.
    forked: Mutex<Option<Arc<Writer>>>,
    last_failure: Mutex<Option<String>>,
}

impl FileSink {
    /// A builder of a sink to the standard output; [`with_path`](FileSinkBuilder::with_path) makes it one
    /// to a file.
    pub fn builder() -> FileSinkBuilder {
        FileSinkBuilder::new()
    }

    fn new(output: Output) -> Result<Self, FileSinkError> {
        let writer = Arc::new(Writer::spawn(&output)?);
        let (forked, last_failure) = (Mutex::new(None), Mutex::new(None));
        Ok(Self { shared: Arc::new(Shared { output, writer, forked, last_failure }) })
    }
}

impl Shared {
    /// The writer of this process.
    fn writer(&self) -> Result<Arc<Writer>, FileSinkError> {
        if self.writer.is_of_this_process() {
            return Ok(self.writer.clone());
        }
        let mut forked = self.forked.lock().unwrap_or_else(PoisonError::into_inner);
        match &*forked {
            Some(writer) if writer.is_of_this_process() => Ok(writer.clone()),
            _ => Ok(forked.insert(Arc::new(Writer::spawn(&self.output)?)).clone()),
        }
    }

    async fn write(&self, request: Bytes) -> Result<(), (Failure, String)> {
        let writer = self.writer();
        let writer = writer.map_err(|error| (Failure::Unsendable, error.to_string()))?;
        writer.write(request).await
    }
}

impl Sink for FileSink {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        Box::pin(async move {
            match self.shared.write(request).await {
                Ok(()) => Outcome::Accepted { rejected: 0, message: None },
                Err((failure, cause)) => {
                    let last = self.shared.last_failure.lock();
                    *last.unwrap_or_else(PoisonError::into_inner) = Some(cause);
                    Outcome::Failed(failure)
                }
            }
        })
    }

    fn name(&self) -> String {
        self.shared.output.name().to_owned()
    }

    fn copy_bound(&self, len: usize) -> usize {
        json_body::bound(len)
    }

    fn last_failure(&self) -> Option<String> {
        self.shared.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink").field("output", &self.shared.output).finish_non_exhaustive()
    }
}
