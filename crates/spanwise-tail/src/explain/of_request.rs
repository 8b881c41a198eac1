//! Explains the decisions about the traces of one request.

use std::time::Instant;

use spanwise_wire::read::WireError;

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
        // A shutdown decides all traces, as the end of their wait does.
        let config =
            self.clone().with_block_on_overflow(false).with_drop_pending_traces_on_shutdown(false);
        let now = Instant::now();
        let mut sampler = TailSampler::new(&config, now).map_err(ExplainError::Config)?;
        sampler.set_explain(Some(ExplainFilter::all()));
        let mut explained = Explained(Vec::new());
        // Nothing blocks.
        let _all = sampler.append(now, request, &mut explained).map_err(ExplainError::Request)?;
        sampler.shutdown(now, &mut explained);
        Ok(explained.0)
    }
}

struct Explained(Vec<Explanation>);

impl TailOutput for Explained {
    fn request(&mut self, _: SampledRequest<'_>) {}

    fn explained(&mut self, explanation: &Explanation) {
        self.0.push(explanation.clone());
    }
}
