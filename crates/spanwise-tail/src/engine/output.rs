//! The receiver of sampled spans and of decisions.

use super::decided_trace::DecidedTrace;
use crate::explain::Explanation;

/// Receives the sampled spans, and the decisions if it wants them.
///
/// A sampler calls it from `append`, `tick` and `shutdown`, after its own state is consistent: a panic of an output loses no more
/// than the request or decision that it was passed.
pub trait TailOutput {
    /// A request of sampled spans. Its bytes are reused: an output that retains them copies them.
    fn request(&mut self, request: SampledRequest<'_>);

    /// A trace was decided. Its spans are in a request that follows if it was sampled.
    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        let _unused = trace;
    }

    /// The reasons for the decision that was passed to [`decided`](Self::decided) before, for the traces that
    /// [`set_explain`](crate::TailSampler::set_explain) chooses.
    fn explained(&mut self, explanation: &Explanation) {
        let _unused = explanation;
    }
}

/// Collects the requests.
impl TailOutput for Vec<Vec<u8>> {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.push(request.bytes.to_vec());
    }
}

/// An OTLP request of sampled spans.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SampledRequest<'a> {
    /// The bytes of an `ExportTraceServiceRequest`, with each resource and scope once.
    pub bytes: &'a [u8],
    /// Number of its spans.
    pub spans: u64,
}
