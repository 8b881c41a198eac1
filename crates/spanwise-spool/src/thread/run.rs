//! The loop of the thread.

use std::time::{Duration, SystemTime};

use spanwise_worker::catch_panic;

use super::queue::{Command, Next, Queue, SpoolEvent};
use crate::storage::Storage;
use crate::{Spool, SpoolError};

/// Executes commands until the queue is closed and empty.
pub(super) fn run<S: Storage>(spool: Spool<S>, queue: &Queue, on_event: impl FnMut(SpoolEvent)) {
    let mut thread = Thread { spool, queue, on_event, unsynced: Vec::new() };
    let ended = catch_panic(|| thread.run_to_end());
    // After a panic: no event is missing.
    let unsynced = std::mem::take(&mut thread.unsynced);
    thread.refuse(unsynced);
    for command in queue.close_and_clear() {
        match command {
            Command::Store { token, spans, .. } => {
                let result = Err(SpoolError::ended(spans));
                thread.report(SpoolEvent::Stored { token, spans, result });
            }
            Command::Read => thread.report(SpoolEvent::Read(Ok(None))),
            Command::Acknowledge(_) | Command::Rewind => {}
        }
    }
    // The drop closes files, and the panic may have left one in any state.
    let _caught = catch_panic(|| drop(thread));
    let _reported_by_events = ended;
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
                Next::Command(Command::Store { token, spans, request }) => {
                    self.store(token, spans, request);
                }
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
    fn store(&mut self, token: u64, spans: u64, request: Box<dyn AsRef<[u8]> + Send>) {
        let bytes = (*request).as_ref().len();
        let now = SystemTime::now();
        let appended = self.spool.append(now, (*request).as_ref(), spans);
        drop(request);
        match appended {
            Ok(_) => self.unsynced.push(Appended { token, spans, bytes }),
            Err(error) => {
                let is_all = matches!(error, SpoolError::NotStored { .. });
                self.report(SpoolEvent::Stored { token, spans, result: Err(error) });
                self.queue.finished(bytes, self.spool.stats());
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
