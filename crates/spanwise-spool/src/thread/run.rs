//! The loops of the two threads.

use std::time::{Duration, SystemTime};

use spanwise_worker::catch_panic;

use super::queue::{Command, Compressed, Next, Queue, Request, SpoolEvent};
use crate::storage::Storage;
use crate::{RequestCompressor, Spool, SpoolError};

/// Compresses requests until the queue is closed and empty.
pub(super) fn run_compressor(mut compressor: RequestCompressor, queue: &Queue) {
    while let Some(Request { token, spans, bytes: request }) = queue.next_request() {
        let bytes = (*request).as_ref().len();
        let compress = || compressor.compress(SystemTime::now(), (*request).as_ref(), spans);
        let compressed =
            catch_panic(compress).unwrap_or_else(|_panic| Err(SpoolError::ended(spans)));
        let _caught = catch_panic(|| drop(request));
        queue.compressed(Compressed { token, spans, bytes, request: compressed });
    }
    queue.compressor_ended();
}

/// Executes commands until the queue is closed and empty.
pub(super) fn run<S: Storage>(spool: Spool<S>, queue: &Queue, on_event: impl FnMut(SpoolEvent)) {
    let mut thread = Thread { spool, queue, on_event, unsynced: Vec::new() };
    let _reported_by_events = catch_panic(|| thread.run_to_end());
    // After a panic: no event is missing.
    let unsynced = std::mem::take(&mut thread.unsynced);
    thread.refuse(unsynced);
    queue.close();
    loop {
        match queue.next(IDLE) {
            Next::Command(Command::Store(Compressed { token, spans, .. })) => {
                let result = Err(SpoolError::ended(spans));
                thread.report(SpoolEvent::Stored { token, spans, result });
            }
            Next::Command(Command::Read) => thread.report(SpoolEvent::Read(Ok(None))),
            Next::Command(Command::Acknowledge(_) | Command::Rewind) | Next::Idle => {}
            Next::Closed => break,
        }
    }
    // The drop closes files, and the panic may have left one in any state.
    let _caught = catch_panic(|| drop(thread));
}

struct Thread<'a, S: Storage, E> {
    spool: Spool<S>,
    queue: &'a Queue,
    on_event: E,
    /// Requests that were appended and not synced.
    unsynced: Vec<Appended>,
}

/// A request that was appended.
struct Appended {
    token: u64,
    spans: u64,
    bytes: usize,
}

impl<S: Storage, E: FnMut(SpoolEvent)> Thread<'_, S, E> {
    fn run_to_end(&mut self) {
        self.report_losses();
        loop {
            match self.queue.next(IDLE) {
                Next::Command(Command::Store(compressed)) => self.store(compressed),
                Next::Command(Command::Read) => {
                    let read = self.spool.read_next(SystemTime::now());
                    self.report(SpoolEvent::Read(read));
                }
                Next::Command(Command::Acknowledge(id)) => self.spool.acknowledge(id),
                Next::Command(Command::Rewind) => self.spool.rewind(),
                Next::Idle => self.spool.expire(SystemTime::now()),
                Next::Closed => break,
            }
            self.report_losses();
            self.queue.finished(0, self.spool.stats());
        }
        self.spool.checkpoint();
    }

    /// Appends a request, and syncs unless the next one can share the sync.
    fn store(&mut self, Compressed { token, spans, bytes, request }: Compressed) {
        let now = SystemTime::now();
        // Before the append: if that panics, the request is refused with the others.
        self.unsynced.push(Appended { token, spans, bytes });
        match request.and_then(|request| self.spool.append_compressed(now, request)) {
            Ok(_) => {}
            Err(error) => {
                self.unsynced.pop();
                let is_all = matches!(error, SpoolError::NotStored { .. });
                self.queue.finished(bytes, self.spool.stats());
                self.report(SpoolEvent::Stored { token, spans, result: Err(error) });
                if is_all {
                    let unsynced = std::mem::take(&mut self.unsynced);
                    self.refuse(unsynced);
                }
            }
        }
        let unsynced_bytes: usize = self.unsynced.iter().map(|appended| appended.bytes).sum();
        if unsynced_bytes >= SYNC_BYTES || !self.queue.is_store_next() {
            self.sync(now);
        }
    }

    fn sync(&mut self, now: SystemTime) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match self.spool.sync(now) {
            Ok(_) => {
                for Appended { token, spans, bytes } in unsynced {
                    self.queue.finished(bytes, self.spool.stats());
                    self.report(SpoolEvent::Stored { token, spans, result: Ok(()) });
                }
            }
            Err(_counted_per_request) => self.refuse(unsynced),
        }
    }

    fn refuse(&mut self, requests: Vec<Appended>) {
        for Appended { token, spans, bytes } in requests {
            self.queue.finished(bytes, self.queue.stats());
            let source = std::io::Error::other("the disk refused the request and its copy");
            let result = Err(SpoolError::NotStored { records: 1, spans, source });
            self.report(SpoolEvent::Stored { token, spans, result });
        }
    }

    fn report_losses(&mut self) {
        let losses = self.spool.take_losses();
        if losses.total() > 0 {
            self.report(SpoolEvent::Lost(losses));
        }
    }

    fn report(&mut self, event: SpoolEvent) {
        let _caught = catch_panic(|| (self.on_event)(event));
    }
}

/// Bytes of requests that share a sync.
const SYNC_BYTES: usize = 1 << 20;
/// Expired records are removed in this interval while no command arrives.
const IDLE: Duration = Duration::from_secs(30);
