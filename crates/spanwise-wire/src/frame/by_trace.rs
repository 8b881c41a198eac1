//! Splits a planned request by trace.

use super::{Draft, Framer, MESSAGE_OVERHEAD, Piece, Plan};
use crate::chunk::Chunk;
use crate::model::TraceId;

impl<S, B> Framer<'_, S>
where
    S: Fn(u32) -> B,
    B: AsRef<[u8]>,
{
    /// Splits the request that [`plan`](Self::plan) returned for the same `chunks` into
    /// `parts` requests, and returns a plan of each that has a span: `part_of` returns the index of the
    /// request for the spans of a trace. An index that is too large means the last part.
    ///
    /// Each part fits the limits that the whole request fits. Its [`Plan::next`] is `None`: the spans after
    /// the whole request are in no part.
    ///
    /// # Cost
    /// A call of `part_of` for each span; for chunks that were [compacted](Chunk::compact), also a walk over
    /// the fields of each span.
    pub fn split_by_trace(
        &self,
        chunks: &[&Chunk],
        plan: &Plan<B>,
        parts: usize,
        mut part_of: impl FnMut(TraceId) -> usize,
    ) -> Vec<Option<Plan<B>>> {
        let fixed = self.limits.prefix + self.resource.len() + MESSAGE_OVERHEAD;
        let mut drafts: Vec<Draft<B>> = (0..parts).map(|_| Draft::new(fixed)).collect();
        let chunks_in_plan = plan.next().map_or(chunks.len(), |next| match next.offset {
            0 => next.chunk,
            _ => next.chunk + 1,
        });
        for (index, chunk) in chunks.iter().enumerate().take(chunks_in_plan).skip(plan.from.chunk) {
            let first = if index == plan.from.chunk { plan.from.offset } else { 0 };
            let last = match plan.next() {
                Some(next) if next.chunk == index => next.offset,
                _ => chunk.bytes().len(),
            };
            let spans = chunk.spans_from(first).zip(chunk.trace_ids_from(first));
            for ((scope, start, end), trace_id) in spans.take_while(|((_, at, _), _)| *at < last) {
                let part = part_of(trace_id).min(parts.saturating_sub(1));
                let Some(draft) = drafts.get_mut(part) else { continue };
                draft.add(&self.scopes, Piece { scope, len: end - start, spans: 1 });
                draft.extend(scope, index, start, end);
            }
        }
        let part = |draft: Draft<B>| {
            (draft.spans > 0).then(|| self.plan_of(draft, chunks, (plan.from, None)))
        };
        drafts.into_iter().map(part).collect()
    }
}
