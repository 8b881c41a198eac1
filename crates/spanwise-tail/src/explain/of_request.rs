//! Explains the decisions about the traces of one request.

use std::time::{Duration, Instant};

use spanwise_wire::read::{TraceRequest, WireError};

use super::explanation::Explanation;
use super::filter::ExplainFilter;
use crate::engine::{
    SampledRequest, TailOutput, TailSampler, TailSamplingConfig, TailSamplingError,
};

/// The decisions about a request cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExplainError {
    /// The settings are not valid.
    Config(TailSamplingError),
    /// The framing of the request is malformed.
    Request(WireError),
}

impl std::fmt::Display for ExplainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Request(error) => write!(f, "the request is malformed: {error}"),
        }
    }
}

impl std::error::Error for ExplainError {}

impl TailSamplingConfig {
    /// The decisions about the traces of an `ExportTraceServiceRequest`, as a sampler makes them that receives nothing else: limits are
    /// not used up, and the wait is over.
    ///
    /// # Errors
    /// The settings are not valid, or the framing of the request is malformed.
    pub fn explain(&self, request: &[u8]) -> Result<Vec<Explanation>, ExplainError> {
        let config = self.without_limits(request);
        let now = Instant::now();
        let mut sampler = TailSampler::new(&config, now).map_err(ExplainError::Config)?;
        sampler.set_explain(Some(ExplainFilter::all()));
        let mut explained = Explained(Vec::new());
        // Nothing blocks.
        let _all = sampler.append(now, request, &mut explained).map_err(ExplainError::Request)?;
        // A tick has 5.3 s at most.
        let end = now.checked_add(self.decision_wait + Duration::from_secs(10)).unwrap_or(now);
        sampler.tick(end, &mut explained);
        Ok(explained.0)
    }

    /// The same decisions with space for all traces of `request`.
    fn without_limits(&self, request: &[u8]) -> Self {
        let spans = TraceRequest::new(request).spans().count();
        let config = Self { stress_relief: None, num_shards: 1, ..self.clone() };
        let num_traces = config.num_traces.max(spans);
        // Tables and remembered decisions take some 200 bytes a trace, and a span's index and group less than 1,000.
        let per_trace = 256 * (num_traces + spans);
        let bytes = request.len().saturating_mul(4).saturating_add(per_trace + 1_000 * spans);
        config
            .with_num_traces(num_traces)
            .with_max_memory_bytes(self.max_memory_bytes.saturating_add(bytes))
            .with_block_on_overflow(false)
            .with_drop_pending_traces_on_shutdown(false)
    }
}

struct Explained(Vec<Explanation>);

impl TailOutput for Explained {
    fn request(&mut self, _: SampledRequest<'_>) {}

    fn explained(&mut self, explanation: &Explanation) {
        self.0.push(explanation.clone());
    }
}
