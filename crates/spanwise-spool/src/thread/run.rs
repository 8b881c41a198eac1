//! The loops of the two threads.

use std::io;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use spanwise_worker::catch_panic;

use super::client::{SpoolClient, SpoolEnd};
use super::event::{ReadOutcome, SpoolEvent};
use super::open::{open, refuse_all, refuse_command, report};
use super::queue::{Command, Compressed, Next, Queue, Request};
use crate::{RequestCompressor, Spool, SpoolError};

/// Compresses requests, once the spool is open, until the queue is closed and empty.
pub(super) fn run_compressor(opened: &mpsc::Receiver<RequestCompressor>, queue: &Queue) {
    // An error: the spool is not opened, and the other thread answers for the requests.
    if let Ok(mut compressor) = opened.recv() {
        while let Some(Request { token, spans, len, bytes }) = queue.next_request() {
            let compress = || compressor.compress(SystemTime::now(), (*bytes).as_ref(), spans);
            let request =
                catch_panic(compress).unwrap_or_else(|_panic| Err(SpoolError::ended(spans)));
            let _caught = catch_panic(|| drop(bytes));
            queue.compressed(Compressed { token, spans, bytes: len, request });
        }
    }
    queue.compressor_ended();
}

/// Opens the spool, and executes commands until the queue is closed and empty.
pub(super) fn run<C: SpoolClient>(
    mut client: C,
    queue: &Queue,
    compressor: mpsc::Sender<RequestCompressor>,
) {
    match catch_panic(|| open(&mut client, queue)) {
        Ok(Some(spool)) => {
            let _other_thread = compressor.send(spool.compressor());
            queue.opened(spool.stats());
            Thread { spool, queue, client: &mut client, unsynced: Vec::new() }.run();
        }
        Ok(None) => refuse_all(&mut client, queue, SpoolEnd::NotOpened),
        Err(_panic) => refuse_all(&mut client, queue, SpoolEnd::Panicked),
    }
    let _caught = catch_panic(|| drop(client));
}

struct Thread<'a, C: SpoolClient> {
    spool: Spool<C::Storage>,
    queue: &'a Queue,
    client: &'a mut C,
    /// Requests that were appended and not synced.
    unsynced: Vec<Appended>,
}

/// A request that was appended.
struct Appended {
    token: u64,
    spans: u64,
    bytes: usize,
}

impl<C: SpoolClient> Thread<'_, C> {
    fn run(mut self) {
        let end = match catch_panic(|| self.run_to_end()) {
            Ok(()) => SpoolEnd::Closed(self.queue.stats()),
            Err(_panic) => SpoolEnd::Panicked,
        };
        let _caught = catch_panic(|| self.client.ended(end));
        // After a panic: no event is missing.
        let unsynced = std::mem::take(&mut self.unsynced);
        self.refuse(unsynced, &io::Error::other("the thread of the spool panicked"));
        self.queue.close();
        loop {
            match self.queue.next(EXPIRE_INTERVAL) {
                Next::Item(command) => refuse_command(self.client, self.queue, command),
                Next::Idle => {}
                Next::Closed => break,
            }
        }
        // The drop closes files, and the panic may have left one in any state.
        let _caught = catch_panic(|| drop(self));
    }

    fn run_to_end(&mut self) {
        self.report_losses();
        let tick_interval = C::TICK_INTERVAL.max(MIN_TICK_INTERVAL);
        let mut next_tick = Instant::now() + tick_interval;
        let mut next_expiry = Instant::now() + EXPIRE_INTERVAL;
        loop {
            let next = next_tick.min(next_expiry);
            match self.queue.next(next.saturating_duration_since(Instant::now())) {
                Next::Item(command) => self.execute(command),
                Next::Idle => {}
                Next::Closed => break,
            }
            let now = Instant::now();
            if now >= next_tick {
                let _caught = catch_panic(|| self.client.tick(self.spool.storage_mut()));
                next_tick = now + tick_interval;
            }
            if now >= next_expiry {
                self.spool.expire(SystemTime::now());
                next_expiry = now + EXPIRE_INTERVAL;
            }
            self.report_losses();
            self.queue.finished(0, self.spool.stats());
        }
        // Records that are being delivered and whose segments were evicted are lost: no acknowledgement arrives.
        self.spool.rewind();
        self.spool.checkpoint();
        self.report_losses();
        self.queue.finished(0, self.spool.stats());
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Store(compressed) => self.store(compressed),
            Command::Read => {
                let read = self.spool.read_next(SystemTime::now());
                // Damaged records before it are lost before it is delivered.
                self.report_losses();
                self.report(SpoolEvent::Read(read));
            }
            Command::ReadInto(buffer) => self.read_into(buffer),
            Command::Acknowledge(id) => self.spool.acknowledge(id),
            Command::Rewind => self.spool.rewind(),
        }
    }

    fn read_into(&mut self, mut buffer: Vec<u8>) {
        let result = self.spool.read_next(SystemTime::now()).map(|stored| {
            let Some(stored) = stored else { return ReadOutcome::Empty };
            let (id, bytes, spans) = (stored.id, stored.request.len(), stored.spans);
            if bytes > buffer.capacity() - buffer.len() {
                return ReadOutcome::TooLarge { id, bytes, spans };
            }
            buffer.extend_from_slice(&stored.request);
            ReadOutcome::Record { id, spans }
        });
        self.report_losses();
        self.report(SpoolEvent::ReadInto { buffer, result });
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
                if let SpoolError::NotStored { source, .. } = &error {
                    let unsynced = std::mem::take(&mut self.unsynced);
                    self.refuse(unsynced, source);
                }
                self.queue.finished(bytes, self.spool.stats());
                self.report(SpoolEvent::Stored { token, spans, result: Err(error) });
            }
        }
        let unsynced_bytes: usize = self.unsynced.iter().map(|appended| appended.bytes).sum();
        if unsynced_bytes >= SYNC_BYTES || !self.queue.is_store_next() {
            self.sync(now);
        }
    }

    fn sync(&mut self, now: SystemTime) {
        if let Err(error) = self.spool.sync(now) {
            let unsynced = std::mem::take(&mut self.unsynced);
            return match error {
                SpoolError::NotStored { source, .. } => self.refuse(unsynced, &source),
                error => self.refuse(unsynced, &io::Error::other(error)),
            };
        }
        for Appended { token, spans, bytes } in std::mem::take(&mut self.unsynced) {
            self.queue.finished(bytes, self.spool.stats());
            self.report(SpoolEvent::Stored { token, spans, result: Ok(()) });
        }
    }

    fn refuse(&mut self, requests: Vec<Appended>, error: &io::Error) {
        for Appended { token, spans, bytes } in requests {
            self.queue.finished(bytes, self.queue.stats());
            let source = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
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
        report(self.client, event);
    }
}

/// Bytes of requests that share a sync.
const SYNC_BYTES: usize = 1 << 20;
/// Expired records are removed in this interval.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(30);
const MIN_TICK_INTERVAL: Duration = Duration::from_millis(1);
