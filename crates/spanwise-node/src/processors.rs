//! The steps before routing and tail sampling, over encoded requests.

use crate::settings::Processor;
use crate::start_error::{ExitKind, StartError};
use bytes::Bytes;
use spanwise_redact::{Redacted, Redactor, Scratch};
use spanwise_tail::{ProbabilisticSampler, ProbabilisticSamplerConfig, SpanFilter};
use spanwise_wire::read::TraceRequest;
use std::sync::{Mutex, PoisonError};

/// The steps, in the order of the file.
pub(crate) struct Processors {
    steps: Vec<Step>,
    /// Memory for the calls that run at the same time.
    scratches: Mutex<Vec<Scratch>>,
}

enum Step {
    Redact(Box<Redactor>),
    Filter(Box<SpanFilter>),
    /// A sampler for each call at the same time; all decide alike.
    Probabilistic(Mutex<Vec<ProbabilisticSampler>>, ProbabilisticSamplerConfig),
    #[cfg(test)]
    Panic,
}

/// A request behind all steps.
pub(crate) struct Processed {
    pub(crate) bytes: Bytes,
    pub(crate) spans: u64,
    pub(crate) left_out: LeftOut,
}

/// Spans that steps left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) filtered: u64,
    pub(crate) sampled_out: u64,
    pub(crate) malformed: u64,
    pub(crate) unredactable: u64,
}

/// A step cannot read a request, which the node then drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Processed {
    /// A request of `spans` spans that no step sees.
    pub(crate) fn unchanged(bytes: Bytes, spans: u64) -> Self {
        Self { bytes, spans, left_out: LeftOut::default() }
    }
}

impl Processors {
    /// # Errors
    /// A probabilistic sampler's settings are not valid.
    pub(crate) fn new(processors: Vec<Processor>) -> Result<Self, StartError> {
        let steps = processors.into_iter().map(|processor| match processor {
            Processor::Redact(redactor) => Ok(Step::Redact(redactor)),
            Processor::Filter(filter) => Ok(Step::Filter(filter)),
            Processor::Probabilistic(config) => {
                let sampler = ProbabilisticSampler::new(&config);
                let sampler = sampler.map_err(|error| {
                    StartError::new(ExitKind::Settings, format!("probabilistic_sampler: {error}"))
                })?;
                Ok(Step::Probabilistic(Mutex::new(vec![sampler]), config))
            }
        });
        let steps = steps.collect::<Result<_, StartError>>()?;
        Ok(Self { steps, scratches: Mutex::default() })
    }

    /// A step that panics.
    #[cfg(test)]
    pub(crate) fn panicking() -> Self {
        Self { steps: vec![Step::Panic], scratches: Mutex::default() }
    }

    /// Takes a request of `spans` spans through all steps. A panic of one loses no memory of the others.
    ///
    /// # Errors
    /// A step cannot read it: none of its spans may pass.
    pub(crate) fn run(&self, bytes: Bytes, spans: u64) -> Result<Processed, Unreadable> {
        let mut processed = Processed::unchanged(bytes, spans);
        for step in &self.steps {
            if processed.spans == 0 {
                break;
            }
            match step {
                Step::Redact(redactor) => self.redact(redactor, &mut processed)?,
                Step::Filter(filter) => Self::filter(filter, &mut processed)?,
                Step::Probabilistic(idle, config) => Self::sample(idle, config, &mut processed)?,
                #[cfg(test)]
                Step::Panic => panic!("a step panics"),
            }
        }
        Ok(processed)
    }

    fn redact(&self, redactor: &Redactor, processed: &mut Processed) -> Result<(), Unreadable> {
        let mut scratch = take(&self.scratches).unwrap_or_default();
        let redacted = match redactor.redact_request(&processed.bytes, &mut scratch) {
            Redacted::Changed(bytes) => Some(Bytes::copy_from_slice(bytes)),
            Redacted::Unchanged => None,
        };
        put(&self.scratches, scratch);
        let Some(bytes) = redacted else { return Ok(()) };
        // A redactor deletes what it cannot read, which may be a span.
        let spans = TraceRequest::new(&bytes).count_spans().map_err(|_| Unreadable)?;
        processed.left_out.unredactable += processed.spans.saturating_sub(spans);
        (processed.bytes, processed.spans) = (bytes, spans);
        Ok(())
    }

    fn filter(filter: &SpanFilter, processed: &mut Processed) -> Result<(), Unreadable> {
        let filtered = filter.filter_request(&processed.bytes).map_err(|_| Unreadable)?;
        if filtered.dropped_spans == 0 && filtered.dropped_events == 0 {
            return Ok(());
        }
        processed.bytes = Bytes::from(filtered.request);
        processed.spans = processed.spans.saturating_sub(filtered.dropped_spans);
        processed.left_out.filtered += filtered.dropped_spans;
        Ok(())
    }

    fn sample(
        idle: &Mutex<Vec<ProbabilisticSampler>>,
        config: &ProbabilisticSamplerConfig,
        processed: &mut Processed,
    ) -> Result<(), Unreadable> {
        let mut sampler = match take(idle) {
            Some(sampler) => sampler,
            // Valid: one was made of the same settings.
            None => ProbabilisticSampler::new(config).map_err(|_| Unreadable)?,
        };
        let before = sampler.counts().malformed_spans;
        let mut out = Vec::with_capacity(processed.bytes.len());
        let sampled = sampler.sample(&processed.bytes, &mut out);
        let malformed = sampler.counts().malformed_spans - before;
        put(idle, sampler);
        let sampled = sampled.map_err(|_| Unreadable)?;
        processed.left_out.malformed += malformed;
        processed.left_out.sampled_out +=
            processed.spans.saturating_sub(sampled.saturating_add(malformed));
        (processed.bytes, processed.spans) = (Bytes::from(out), sampled);
        Ok(())
    }
}

fn take<T>(idle: &Mutex<Vec<T>>) -> Option<T> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Returns it for the next call. Their number is that of the receivers' threads.
fn put<T>(idle: &Mutex<Vec<T>>, one: T) {
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}
