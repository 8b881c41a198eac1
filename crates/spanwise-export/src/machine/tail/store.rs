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
    /// The facts of the runs of a chunk, from the one that begins at span `start` on.
    pub(super) fn runs_from(&self, id: u32, start: u32) -> impl Iterator<Item = TraceFacts> {
        let metas = self.chunks.get(id).map_or(&[][..], |held| held.chunk().metas());
        let mut metas = metas.get(start as usize..).unwrap_or_default();
        std::iter::from_fn(move || {
            let run = TraceFacts::of_run(metas)?;
            metas = metas.get(run.spans as usize..)?;
            Some(run)
        })
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
