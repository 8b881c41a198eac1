//! The chunks that wait, and the runs of their spans.

use super::chunks::Chunks;
use super::runs::Runs;
use crate::local_trace::{TraceFacts, TraceRun, TraceRuns};

/// The spans of all traces that wait.
#[derive(Default)]
pub(super) struct Store {
    pub(super) chunks: Chunks,
    pub(super) runs: Runs,
}

impl Store {
    /// The facts of the run that begins at span `start` of a chunk.
    pub(super) fn run_at(&self, id: u32, start: u32) -> Option<TraceFacts> {
        let held = self.chunks.get(id)?;
        TraceFacts::of_run(held.metas(start..held.chunk().metas().len() as u32))
    }
}

impl TraceRuns for Store {
    fn run(&self, id: u32) -> Option<TraceRun<'_>> {
        let run = self.runs.get(id)?;
        let held = self.chunks.get(run.chunk)?;
        let metas = held.metas(run.start..run.end);
        Some(TraceRun { chunk: held.chunk(), metas, next: run.next })
    }
}
