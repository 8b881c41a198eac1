//! A handler that keeps what it gets.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use spanwise_wire::read::TraceRequest;

use crate::answer::{Answer, Export};

/// Bodies of exports, kept for a test to look at. Clones share them.
#[derive(Clone)]
pub struct Collected {
    shared: Arc<Shared>,
}

struct Shared {
    max_bytes: usize,
    kept: Mutex<Kept>,
    more: Condvar,
}

#[derive(Default)]
struct Kept {
    bodies: Vec<Bytes>,
    bytes: usize,
    spans: u64,
}

impl Collected {
    /// An empty collection that refuses what would bring it above `max_bytes` bytes of bodies;
    /// each takes 64 bytes beside its own, an empty one too.
    pub fn new(max_bytes: usize) -> Self {
        let kept = Mutex::new(Kept::default());
        Self { shared: Arc::new(Shared { max_bytes, kept, more: Condvar::new() }) }
    }

    /// A handler for [`ReceiverBuilder::with_handler`](crate::ReceiverBuilder::with_handler) that fills it.
    pub fn handler(&self) -> impl Fn(Export) -> Answer + Send + Sync + 'static {
        let collected = self.clone();
        move |export| collected.keep(export)
    }

    /// The bodies so far, each an `ExportTraceServiceRequest`, in the order they came.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.kept().bodies.clone()
    }

    /// Trace id and span id of every span so far, in the order they came and as often: what was
    /// accepted, to be compared with what a client believes. Spans whose ids have other lengths are left out;
    /// [`spans`](Self::spans) counts them too. Reads all bodies again.
    pub fn span_ids(&self) -> Vec<([u8; 16], [u8; 8])> {
        let bodies = self.bodies();
        let spans = bodies.iter().flat_map(|body| TraceRequest::new(body).spans());
        spans
            .filter_map(|span| span.ok())
            .filter_map(|s| Some((s.trace_id()?, s.span_id()?)))
            .collect()
    }

    /// Spans in all bodies so far.
    pub fn spans(&self) -> u64 {
        self.kept().spans
    }

    /// Waits until at least `spans` spans have come, or until `timeout` has passed; tells which.
    /// Blocks the thread.
    pub fn wait_for_spans(&self, spans: u64, timeout: Duration) -> bool {
        let missing = |kept: &mut Kept| kept.spans < spans;
        let (kept, _) = self
            .shared
            .more
            .wait_timeout_while(self.kept(), timeout, missing)
            .unwrap_or_else(PoisonError::into_inner);
        kept.spans >= spans
    }

    fn keep(&self, export: Export) -> Answer {
        let mut kept = self.kept();
        let bytes = kept.bytes.saturating_add(export.body.len()).saturating_add(BODY_BYTES);
        if bytes > self.shared.max_bytes {
            // Not an overload: coming back will not help, and a test should see it.
            return Answer::Refuse {
                http_status: 413,
                grpc_code: crate::refusal::RESOURCE_EXHAUSTED,
                message: "the collection is full".to_owned(),
                retry_after: None,
            };
        }
        kept.bytes = bytes;
        kept.spans += export.spans;
        // A copy: the body may be a slice of a read buffer many times its size.
        kept.bodies.push(Bytes::copy_from_slice(&export.body));
        drop(kept);
        self.shared.more.notify_all();
        Answer::Accept
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("Collected")
            .field("bodies", &kept.bodies.len())
            .field("bytes", &kept.bytes)
            .field("spans", &kept.spans)
            .finish()
    }
}

/// A body's place in the list, and what the allocator keeps beside it.
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
    fn keeps_up_to_its_limit_and_refuses_beyond() {
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
