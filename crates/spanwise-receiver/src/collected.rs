//! A handler that stores the exports it receives.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use spanwise_wire::read::TraceRequest;

use crate::answer::{Answer, Export};

/// Stored bodies of exports, for tests to inspect. Clones share them.
#[derive(Clone)]
pub struct Collected {
    shared: Arc<Shared>,
}

struct Shared {
    max_bytes: usize,
    stored: Mutex<Stored>,
    more: Condvar,
}

#[derive(Default)]
struct Stored {
    bodies: Vec<Bytes>,
    bytes: usize,
    spans: u64,
}

impl Collected {
    /// An empty collection that rejects an export beyond `max_bytes` bytes of bodies; each body, even
    /// an empty one, counts 64 bytes beside its own.
    pub fn new(max_bytes: usize) -> Self {
        let stored = Mutex::new(Stored::default());
        Self { shared: Arc::new(Shared { max_bytes, stored, more: Condvar::new() }) }
    }

    /// A handler for [`ReceiverBuilder::with_handler`](crate::ReceiverBuilder::with_handler) that stores each export here.
    pub fn handler(&self) -> impl Fn(Export) -> Answer + Send + Sync + 'static {
        let collected = self.clone();
        move |export| collected.store(export)
    }

    /// The bodies so far, each an `ExportTraceServiceRequest`, in the order of arrival.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.stored().bodies.clone()
    }

    /// Trace id and span id of every accepted span, in the order of arrival and with duplicates, for
    /// comparison with the count of a client. Spans whose ids have other lengths are left out;
    /// [`spans`](Self::spans) counts them too. Each call parses all bodies.
    pub fn span_ids(&self) -> Vec<([u8; 16], [u8; 8])> {
        let bodies = self.bodies();
        let spans = bodies.iter().flat_map(|body| TraceRequest::new(body).spans());
        spans
            .filter_map(|span| span.ok())
            .filter_map(|s| Some((s.trace_id()?, s.span_id()?)))
            .collect()
    }

    /// Number of spans in all bodies so far.
    pub fn spans(&self) -> u64 {
        self.stored().spans
    }

    /// Blocks the thread until at least `spans` spans have arrived and returns true, or returns false
    /// after `timeout`.
    pub fn wait_for_spans(&self, spans: u64, timeout: Duration) -> bool {
        let missing = |stored: &mut Stored| stored.spans < spans;
        let (stored, _) = self
            .shared
            .more
            .wait_timeout_while(self.stored(), timeout, missing)
            .unwrap_or_else(PoisonError::into_inner);
        stored.spans >= spans
    }

    fn store(&self, export: Export) -> Answer {
        let mut stored = self.stored();
        let bytes = stored.bytes.saturating_add(export.body.len()).saturating_add(BODY_BYTES);
        if bytes > self.shared.max_bytes {
            // Not an overload: a retry cannot succeed, and a test should see the error.
            return Answer::Refuse {
                http_status: 413,
                grpc_code: crate::refusal::RESOURCE_EXHAUSTED,
                message: "the collection is full".to_owned(),
                retry_after: None,
            };
        }
        stored.bytes = bytes;
        stored.spans += export.spans;
        // A copy: the body may be a slice of a read buffer many times its size.
        stored.bodies.push(Bytes::copy_from_slice(&export.body));
        drop(stored);
        self.shared.more.notify_all();
        Answer::Accept
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.shared.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self.stored();
        f.debug_struct("Collected")
            .field("bodies", &stored.bodies.len())
            .field("bytes", &stored.bytes)
            .field("spans", &stored.spans)
            .finish()
    }
}

/// Memory of a body's entry in the list, and the overhead of the allocator.
const BODY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Protocol;

    fn export(len: usize, spans: u64) -> Export {
        let body = Bytes::from(vec![0; len]);
        Export { body, spans, protocol: Protocol::Http, headers: Default::default() }
    }

    #[test]
    fn exports_beyond_the_limit_are_rejected() {
        let collected = Collected::new(10 + 2 * BODY_BYTES);
        let handler = collected.handler();
        assert_eq!(handler(export(6, 2)), Answer::Accept);
        assert!(matches!(handler(export(5, 1)), Answer::Refuse { .. }));
        assert_eq!(handler(export(4, 1)), Answer::Accept);
        assert_eq!(collected.bodies().len(), 2);
        assert_eq!(collected.spans(), 3);
        assert!(collected.wait_for_spans(3, Duration::ZERO));
        assert!(!collected.wait_for_spans(4, Duration::from_millis(1)));
    }
}
