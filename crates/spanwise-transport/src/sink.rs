//! Sinks: destinations of requests other than an OTLP receiver.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use spanwise_worker::{CaughtPanic, catch_panic, catch_panic_async};

use crate::block_on::block_on_until;
use crate::classify::{Accepted, AttemptOutcome};
use crate::fence::Fenced;
use crate::payload::Payload;
use crate::sent::Sent;
use crate::{Failure, Outcome, text};

/// A destination of export requests in place of an OTLP receiver: a file, a queue, a test.
///
/// Any function from [`Bytes`] to a future of an [`Outcome`] implements it.
///
/// ```
/// # mod spanwise { pub use bytes::Bytes; pub mod transport { pub use spanwise_transport::*; } }
/// use spanwise::Bytes;
/// use spanwise::transport::{Outcome, TransportBuilder};
///
/// let stdout = |request: Bytes| async move {
///     println!("{} bytes of OTLP", request.len());
///     Outcome::Accepted { rejected: 0, message: None }
/// };
/// let _builder = TransportBuilder::default().with_sink(stdout);
/// ```
pub trait Sink: Send + Sync + 'static {
    /// Exports one encoded `ExportTraceServiceRequest`, the body of an OTLP/HTTP request.
    ///
    /// The outcome is final: a failed request is not retried, and its failure determines whether
    /// the request [may have been accepted](crate::Delivery::may_have_been_accepted) nevertheless:
    /// yes for [`AmbiguousTimeout`](Failure::AmbiguousTimeout),
    /// [`AmbiguousResponse`](Failure::AmbiguousResponse),
    /// [`ResponseTooLarge`](Failure::ResponseTooLarge), [`Shutdown`](Failure::Shutdown) and
    /// [`SinkPanicked`](Failure::SinkPanicked), no for every other failure, such as
    /// [`Rejected`](Failure::Rejected). After the timeout of one attempt the future is dropped, and
    /// the request fails with [`AmbiguousTimeout`](Failure::AmbiguousTimeout). A panic here, in the
    /// future or in its drop is caught; unless the future had returned, the request fails with
    /// [`SinkPanicked`](Failure::SinkPanicked). The future runs on the thread that polls
    /// [`send`](crate::Transport::send), and must not block it. A sink copies the bytes that it
    /// retains: the caller may expect the memory of the request back.
    fn take(&self, request: Bytes) -> SinkFuture<'_>;

    /// The name of the destination, which diagnostics print in place of an endpoint: one line, without
    /// secrets. The transport asks once. Default `the sink`.
    fn name(&self) -> String {
        UNNAMED.to_owned()
    }

    /// The most bytes of memory that the sink allocates for a request of `len` bytes, until its future
    /// has returned. A caller with a memory budget charges it per request, by
    /// [`compressed_bound`](crate::Transport::compressed_bound). Default 0.
    fn copy_bound(&self, len: usize) -> usize {
        let _ = len;
        0
    }

    /// The cause of the failure that the last future returned, in words, for diagnostics. Default none.
    fn last_failure(&self) -> Option<String> {
        None
    }

    /// Flush and shutdown of a sink that holds requests or resources beyond its futures. Default none. A
    /// provider calls them in its own flush and shutdown.
    fn lifecycle(&self) -> Option<Arc<dyn SinkLifecycle>> {
        None
    }
}

/// Flush and shutdown of a [`Sink`].
///
/// Both methods block their caller, at most until the deadline.
pub trait SinkLifecycle: Send + Sync {
    /// Completes the work on all requests that the sink accepted.
    ///
    /// # Errors
    /// The sink failed, or did not complete by the deadline.
    fn flush_until(&self, deadline: std::time::Instant) -> Result<(), String>;

    /// Completes the work and frees what the sink holds, once; a later call returns the same result.
    ///
    /// # Errors
    /// As [`flush_until`](Self::flush_until).
    fn shutdown_until(&self, deadline: std::time::Instant) -> Result<(), String>;

    /// Whether the caller's thread is one that the sink needs to complete a request: a flush or a shutdown
    /// on it would wait for itself. A provider returns an error to such a caller at once. Default false.
    fn is_current_thread(&self) -> bool {
        false
    }
}

/// The future of a [`Sink`].
pub type SinkFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl<T, F> Sink for T
where
    T: Fn(Bytes) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        Box::pin(self(request))
    }
}

impl Sink for Arc<dyn Sink> {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        (**self).take(request)
    }

    fn name(&self) -> String {
        (**self).name()
    }

    fn copy_bound(&self, len: usize) -> usize {
        (**self).copy_bound(len)
    }

    fn last_failure(&self) -> Option<String> {
        (**self).last_failure()
    }

    fn lifecycle(&self) -> Option<Arc<dyn SinkLifecycle>> {
        (**self).lifecycle()
    }
}

/// A sink as a backend. Its panics are caught.
#[derive(Clone)]
pub(crate) struct SinkBackend {
    sink: Fenced<Arc<dyn Sink>>,
    name: Arc<str>,
}

impl SinkBackend {
    pub(crate) fn new(sink: impl Sink) -> Self {
        let name = catch_panic(|| sink.name()).unwrap_or_else(|_| UNNAMED.to_owned());
        Self { sink: Fenced::new(Arc::new(sink)), name: text::sanitize(&name).into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn copy_bound(&self, len: usize) -> usize {
        self.sink.get().and_then(|sink| catch_panic(|| sink.copy_bound(len)).ok()).unwrap_or(0)
    }

    /// Passes a request to the sink. From here on the sink may have accepted it, however the attempt ends.
    ///
    /// # Errors
    /// The outcome of a sink that panicked.
    fn take(&self, payload: &Payload, sent: &Sent) -> Result<SinkFuture<'_>, AttemptOutcome> {
        sent.set();
        let request = payload.bytes.clone();
        let sink = self.sink.get().ok_or_else(|| panicked("it was dropped"))?;
        catch_panic(|| sink.take(request)).map_err(|panic| panicked(panic.to_string()))
    }

    /// The outcome of a sink that ended with `taken`, or has not ended in time.
    fn outcome(&self, taken: Option<Result<Outcome, CaughtPanic>>) -> AttemptOutcome {
        match taken {
            Some(Ok(Outcome::Accepted { rejected, message })) => {
                AttemptOutcome::Accepted(Accepted { rejected, message, undecodable: None })
            }
            Some(Ok(Outcome::Failed(failure))) => {
                let cause = || self.sink.get().and_then(|sink| sink.last_failure());
                let cause = catch_panic(cause).ok().flatten().unwrap_or_default();
                AttemptOutcome::permanent(failure, cause)
            }
            Some(Err(panic)) => panicked(panic.to_string()),
            None => AttemptOutcome::permanent(
                Failure::AmbiguousTimeout,
                format!("{} had not ended when the attempt's time was up", self.name),
            ),
        }
    }

    /// Runs one attempt in a task of tokio.
    #[cfg(feature = "tokio")]
    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        deadline: tokio::time::Instant,
    ) -> AttemptOutcome {
        match self.take(payload, &sent) {
            Ok(taking) => {
                let taking = catch_panic_async(taking);
                self.outcome(tokio::time::timeout_at(deadline, taking).await.ok())
            }
            Err(panicked) => panicked,
        }
    }

    /// Runs one attempt on the calling thread.
    pub(crate) fn attempt_blocking(
        &self,
        payload: &Payload,
        sent: &Sent,
        deadline: std::time::Instant,
    ) -> AttemptOutcome {
        match self.take(payload, sent) {
            Ok(taking) => self.outcome(block_on_until(catch_panic_async(taking), deadline)),
            Err(panicked) => panicked,
        }
    }
}

fn panicked(message: impl Into<String>) -> AttemptOutcome {
    AttemptOutcome::permanent(Failure::SinkPanicked, message)
}

/// The name of a sink without one of its own.
const UNNAMED: &str = "the sink";

impl fmt::Debug for SinkBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests {
    use super::*;
    use crate::Transport;
    use std::time::Duration;
    use tokio::time::Instant;

    async fn send(sink: impl Sink) -> crate::Delivery {
        let transport = Transport::builder()
            .with_attempt_timeout(Duration::from_secs(1))
            .with_sink(sink)
            .build()
            .unwrap();
        transport
            .send_until(vec![b'\n'; 9], (Instant::now() + Duration::from_secs(60)).into())
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn the_outcome_of_a_sink_is_final() {
        let part = Outcome::Accepted { rejected: 2, message: Some("full".into()) };
        let failed = Outcome::Failed(Failure::TooLarge);
        for outcome in [part, failed] {
            let answer = outcome.clone();
            let delivery = send(move |request: Bytes| {
                assert_eq!(request, [b'\n'; 9][..]);
                std::future::ready(answer.clone())
            });
            let delivery = delivery.await;
            assert_eq!((delivery.outcome, delivery.attempts), (outcome, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_never_ends_is_dropped_after_the_attempt_timeout() {
        let delivery = send(|_| std::future::pending()).await;
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout));
    }
}
