//! The thread that writes.

use std::io;
use std::sync::{Arc, Weak, mpsc};
use std::thread;

use bytes::Bytes;
use spanwise_wire::json::{self, FromProtobufError};
use spanwise_worker::__private::mask_sigxfsz;
use spanwise_worker::{catch_panic, fork, mask_sigpipe, oneshot};

use super::error::FileSinkError;
use super::output::Output;
use super::turn::{Turn, Turns};
use crate::{Failure, json_body};

/// A thread that writes lines, in one process.
pub(super) struct Writer {
    /// `None` only during the drop.
    jobs: Option<mpsc::Sender<Job>>,
    /// One job at a time. A request that is cancelled while it waits leaves nothing behind.
    turns: Turns,
    generation: u32,
}

type Written = Result<(), (Failure, String)>;

/// A request to write.
struct Job {
    request: Bytes,
    done: oneshot::Sender<Written>,
    /// Alive while the request is not cancelled.
    interest: Weak<()>,
    /// The turn ends when the thread is ready for the next job, also if the request was cancelled.
    turn: Turn,
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
            mask_sigxfsz();
            let _panicked = catch_panic(|| {
                let mut line = Vec::new();
                while let Ok(job) = next.recv() {
                    run(&mut output, &mut line, job);
                }
            });
        };
        thread::Builder::new().name("spanwise-file".to_owned()).spawn(run).map_err(refused)?;
        Ok(Self { jobs: Some(jobs), turns: Turns::new(), generation: fork::generation() })
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Writes `request` as one line.
    pub(super) async fn write(&self, request: Bytes) -> Written {
        let ended = || (Failure::Unsendable, "the thread that writes has ended".to_owned());
        let turn = self.turns.take().await;
        let (done, written) = oneshot::channel();
        let is_wanted = Arc::new(());
        let interest = Arc::downgrade(&is_wanted);
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Job { request, done, interest, turn }).map_err(|_| ended())?;
        let written = written.await.unwrap_or_else(|| Err(ended()));
        drop(is_wanted);
        written
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
    let Job { request, done, interest, turn } = job;
    let is_cancelled = || interest.strong_count() == 0;
    if !is_cancelled() {
        done.send(write(output, line, request, is_cancelled));
    }
    line.clear();
    line.shrink_to(RETAINED);
    drop(turn);
}

fn write(
    output: &mut Output,
    line: &mut Vec<u8>,
    request: Bytes,
    is_cancelled: impl Fn() -> bool,
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
    let written = output.write_line(line, is_cancelled);
    written.map_err(|error| {
        (Failure::Unsendable, format!("{} cannot be written: {error}", output.name()))
    })
}

/// Bytes of the buffer that are retained between two requests.
const RETAINED: usize = 64 << 10;
