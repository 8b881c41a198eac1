//! The thread that writes.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use spanwise_wire::json::{self, FromProtobufError};
use spanwise_worker::{catch_panic, fork, mask_sigpipe};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::FileSinkError;
use super::output::Output;
use crate::{Failure, json_body};

/// A thread that writes lines, in one process.
pub(super) struct Writer {
    /// `None` only during the drop.
    jobs: Option<mpsc::Sender<Job>>,
    /// One job at a time. A request that is cancelled while it waits leaves nothing behind.
    turn: Arc<Semaphore>,
    generation: u32,
}

type Written = Result<(), (Failure, String)>;

/// A request to write.
struct Job {
    request: Bytes,
    done: oneshot::Sender<Written>,
    /// The turn ends when the thread is ready for the next job, also if the request was cancelled.
    turn: OwnedSemaphorePermit,
}

impl Writer {
    /// Spawns the thread. It ends when the writer is dropped.
    pub(super) fn spawn(output: &Output) -> Result<Self, FileSinkError> {
        let refused = |error: io::Error| FileSinkError::Thread { problem: error.to_string() };
        fork::watch();
        let mut output = output.try_clone().map_err(refused)?;
        let (jobs, next) = mpsc::channel();
        let run = move || {
            mask_sigpipe();
            let _panicked = catch_panic(|| {
                let mut line = Vec::new();
                while let Ok(job) = next.recv() {
                    run(&mut output, &mut line, job);
                }
            });
        };
        thread::Builder::new().name("spanwise-file".to_owned()).spawn(run).map_err(refused)?;
        Ok(Self {
            jobs: Some(jobs),
            turn: Arc::new(Semaphore::new(1)),
            generation: fork::generation(),
        })
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Writes `request` as one line.
    pub(super) async fn write(&self, request: Bytes) -> Written {
        let ended = || (Failure::Unsendable, "the thread that writes has ended".to_owned());
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| ended())?;
        let (done, written) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Job { request, done, turn }).map_err(|_| ended())?;
        written.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_of_this_process() {
            // The lock inside may be held by a thread that a forked child does not have.
            std::mem::forget(self.jobs.take());
        }
    }
}

fn run(output: &mut Output, line: &mut Vec<u8>, job: Job) {
    let Job { request, done, turn } = job;
    if !done.is_closed() {
        let written = write(output, line, request, &done);
        let _abandoned = done.send(written);
    }
    line.clear();
    line.shrink_to(RETAINED);
    drop(turn);
}

fn write(
    output: &mut Output,
    line: &mut Vec<u8>,
    request: Bytes,
    done: &oneshot::Sender<Written>,
) -> Written {
    let max_len = json_body::max_len(request.len());
    let transcoded = match line.try_reserve(json_body::bound(request.len())) {
        Ok(()) => json::from_protobuf(&request, max_len, line),
        Err(_) => Err(FromProtobufError::TooLarge { max_bytes: max_len }),
    };
    // The caller expects the memory of the request back, and the write may wait.
    drop(request);
    transcoded.map_err(|error| match error {
        FromProtobufError::TooLarge { .. } => (Failure::TooLarge, error.to_string()),
        error => (Failure::Unsendable, error.to_string()),
    })?;
    line.push(b'\n');
    let written = output.write_line(line, || done.is_closed());
    written.map_err(|error| {
        (Failure::Unsendable, format!("{} cannot be written: {error}", output.name()))
    })
}

/// Bytes of the buffer that are retained between two requests.
const RETAINED: usize = 64 << 10;
