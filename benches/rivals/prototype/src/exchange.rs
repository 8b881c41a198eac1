//! Chunks on their way between the threads that fill them and the consumer.

use crate::buffer::Buffer;
use std::sync::{Condvar, Mutex, MutexGuard};

/// A bounded number of chunks. A thread that finds none waits, so no span is lost here.
pub struct Exchange {
    /// Chunks that make a batch.
    batch: usize,
    state: Mutex<State>,
    filled: Condvar,
    returned: Condvar,
}

/// A full chunk.
pub struct Chunk {
    pub bytes: Buffer,
    pub spans: u64,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub shipped: u64,
    pub delivered: u64,
    pub lost: u64,
    pub requests: u64,
}

#[derive(Default)]
struct State {
    full: Vec<Chunk>,
    free: Vec<Buffer>,
    chunks: usize,
    flush: bool,
    counts: Counts,
}

impl Exchange {
    /// The consumer takes `batch` chunks at once.
    pub fn new(batch: usize) -> Self {
        let state = Mutex::new(State::default());
        Self { batch, state, filled: Condvar::new(), returned: Condvar::new() }
    }

    /// An empty chunk; the one that was returned last, because its bytes are cached.
    pub fn buffer(&self) -> Buffer {
        let mut state = self.lock();
        loop {
            if let Some(buffer) = state.free.pop() {
                return buffer;
            }
            if state.chunks < MOST_CHUNKS {
                state.chunks += 1;
                return Buffer::with_capacity(CHUNK_BYTES);
            }
            state = unpoisoned(self.returned.wait(state));
        }
    }

    /// Passes a full chunk to the consumer.
    pub fn ship(&self, chunk: Chunk) {
        let mut state = self.lock();
        state.counts.shipped += chunk.spans;
        state.full.push(chunk);
        if state.full.len() >= self.batch {
            self.filled.notify_one();
        }
    }

    /// Waits until the consumer is done with all spans that were shipped.
    pub fn flush(&self) {
        let mut state = self.lock();
        state.flush = true;
        self.filled.notify_one();
        while state.counts.delivered + state.counts.lost < state.counts.shipped {
            state = unpoisoned(self.returned.wait(state));
        }
        state.flush = false;
    }

    /// The counts of now.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Waits for a batch, or for less in a flush; appends it to `batch`.
    pub fn receive(&self, batch: &mut Vec<Chunk>) {
        let mut state = self.lock();
        loop {
            let least = if state.flush { 1 } else { self.batch };
            if state.full.len() >= least {
                let taken = self.batch.min(state.full.len());
                return batch.extend(state.full.drain(..taken));
            }
            state = unpoisoned(self.filled.wait(state));
        }
    }

    /// Returns the chunks of a batch and counts its spans; empties `batch`.
    pub fn give_back(&self, batch: &mut Vec<Chunk>, add: impl FnOnce(&mut Counts, u64)) {
        let spans = batch.iter().map(|chunk| chunk.spans).sum();
        let mut state = self.lock();
        state.free.extend(batch.drain(..).map(|mut chunk| {
            chunk.bytes.clear();
            chunk.bytes
        }));
        add(&mut state.counts, spans);
        self.returned.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

/// No thread panics between two steps that belong together.
fn unpoisoned<T>(result: Result<T, std::sync::PoisonError<T>>) -> T {
    result.unwrap_or_else(std::sync::PoisonError::into_inner)
}

const CHUNK_BYTES: usize = 64 << 10;
/// 4 MiB.
const MOST_CHUNKS: usize = 64;
