//! [`TailSampling`].

#[cfg(feature = "tail-sampling")]
use super::policies::{Policies, without_effect};
use spanwise_export::{LocalTrace, TailDecision};
#[cfg(feature = "tail-sampling")]
use spanwise_tail::TailSamplingConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Tail sampling in the application: which local traces are exported, and how long they wait for it.
///
/// A function over a [`LocalTrace`] that returns a boolean or a [`TailDecision`] becomes one, and with the feature
/// `tail-sampling` so does a `TailSamplingConfig`, in code or read from a file of the Collector.
#[derive(Clone)]
pub struct TailSampling {
    decider: Decider,
    decision_wait: Duration,
    wait_after_root: Duration,
    num_traces: usize,
    max_spans_per_trace: u32,
    maximum_trace_size_bytes: u64,
    drops_pending: bool,
}

#[derive(Clone)]
enum Decider {
    Function(Arc<Function>),
    #[cfg(feature = "tail-sampling")]
    Policies(Arc<TailSamplingConfig>),
}

type Function = dyn Fn(&LocalTrace<'_>) -> TailDecision + Send + Sync;

impl TailSampling {
    /// Tail sampling by a function. It runs on the exporter's thread: one that blocks delays the export, and one that
    /// panics is counted and reported, and its trace is exported.
    pub fn new<D: Into<TailDecision>>(
        function: impl Fn(&LocalTrace<'_>) -> D + Send + Sync + 'static,
    ) -> Self {
        Self::with_decider(Decider::Function(Arc::new(move |trace| function(trace).into())))
    }

    fn with_decider(decider: Decider) -> Self {
        Self {
            decider,
            decision_wait: Duration::from_secs(30),
            wait_after_root: Duration::ZERO,
            num_traces: 50_000,
            max_spans_per_trace: u32::MAX,
            maximum_trace_size_bytes: 0,
            drops_pending: false,
        }
    }

    /// The time from the first span of a trace until its decision, without a local root. Default 30 s, at most 24 h.
    #[must_use]
    pub fn with_decision_wait(self, decision_wait: Duration) -> Self {
        Self { decision_wait, ..self }
    }

    /// The time from the end of the local root until the decision, for spans that end after it. Default 0, at most 24 h.
    #[must_use]
    pub fn with_decision_wait_after_root_received(self, wait_after_root: Duration) -> Self {
        Self { wait_after_root, ..self }
    }

    /// The most undecided traces: beyond them the earliest one is decided. Default 50,000, at least 1.
    #[must_use]
    pub fn with_num_traces(self, num_traces: usize) -> Self {
        Self { num_traces, ..self }
    }

    /// A trace with this many spans is decided at once. Default no bound, at least 1.
    #[must_use]
    pub fn with_max_spans_per_trace(self, max_spans_per_trace: u32) -> Self {
        Self { max_spans_per_trace, ..self }
    }

    /// A trace with more encoded bytes is dropped at once, as `tail_dropped`; 0 means no bound. Default 0.
    #[must_use]
    pub fn with_maximum_trace_size_bytes(self, maximum_trace_size_bytes: u64) -> Self {
        Self { maximum_trace_size_bytes, ..self }
    }

    /// Whether a shutdown drops undecided traces, as `tail_dropped`, instead of deciding them. Default false.
    #[must_use]
    pub fn with_drop_pending_traces_on_shutdown(self, drops_pending: bool) -> Self {
        Self { drops_pending, ..self }
    }

    /// For the exporter. The error is the problem of a policy or a limit.
    pub(crate) fn build(&self) -> Result<spanwise_export::TailSampling, String> {
        if self.num_traces == 0 {
            return Err("num_traces: 0 is out of range; accepted is 1 or more".to_owned());
        }
        if self.max_spans_per_trace == 0 {
            return Err("max_spans_per_trace: 0 is out of range; accepted is 1 or more".to_owned());
        }
        for (name, wait) in [
            ("decision_wait", self.decision_wait),
            ("decision_wait_after_root_received", self.wait_after_root),
        ] {
            if wait > MAX_WAIT {
                return Err(format!("{name}: {wait:?} is too long; accepted is up to 24 h"));
            }
        }
        let tail = match &self.decider {
            Decider::Function(function) => {
                let function = function.clone();
                spanwise_export::TailSampling::new(move |trace: &LocalTrace<'_>| function(trace))
            }
            #[cfg(feature = "tail-sampling")]
            Decider::Policies(config) => {
                let policies = Policies::new(config).map_err(|error| error.to_string())?;
                spanwise_export::TailSampling::new(policies)
            }
        };
        Ok(tail
            .with_decision_wait(self.decision_wait)
            .with_decision_wait_after_root_received(self.wait_after_root)
            .with_num_traces(self.num_traces)
            .with_max_spans_per_trace(self.max_spans_per_trace)
            .with_maximum_trace_size_bytes(self.maximum_trace_size_bytes)
            .with_drop_pending_traces_on_shutdown(self.drops_pending))
    }

    /// The feature of the program that this takes.
    pub(crate) fn feature(&self) -> Option<&'static str> {
        match &self.decider {
            Decider::Function(_) => None,
            #[cfg(feature = "tail-sampling")]
            Decider::Policies(_) => Some("tail-sampling"),
        }
    }

    /// The names of settings of a Collector that have a value and no effect here.
    pub(crate) fn without_effect(&self) -> Vec<&'static str> {
        match &self.decider {
            Decider::Function(_) => Vec::new(),
            #[cfg(feature = "tail-sampling")]
            Decider::Policies(config) => without_effect(config),
        }
    }

    /// The decider and the limits, without values of the program.
    pub(crate) fn description(&self) -> String {
        let decider = match &self.decider {
            Decider::Function(_) => "a function".to_owned(),
            #[cfg(feature = "tail-sampling")]
            Decider::Policies(config) => match config.policies.len() {
                1 => "1 policy".to_owned(),
                policies => format!("{policies} policies"),
            },
        };
        format!("{decider}, decision_wait {:?}, num_traces {}", self.decision_wait, self.num_traces)
    }

    /// Bytes that differ where two of them do: of a function its address.
    pub(crate) fn identity(&self) -> Vec<u8> {
        let decider = match &self.decider {
            Decider::Function(function) => {
                format!("{}", Arc::as_ptr(function).cast::<()>().addr())
            }
            #[cfg(feature = "tail-sampling")]
            Decider::Policies(config) => format!("{config:?}"),
        };
        let limits = (self.decision_wait, self.wait_after_root, self.num_traces);
        let of_trace = (self.max_spans_per_trace, self.maximum_trace_size_bytes);
        format!("{decider} {limits:?} {of_trace:?} {}", self.drops_pending).into_bytes()
    }
}

impl<F, D> From<F> for TailSampling
where
    F: Fn(&LocalTrace<'_>) -> D + Send + Sync + 'static,
    D: Into<TailDecision>,
{
    fn from(function: F) -> Self {
        Self::new(function)
    }
}

/// The policies, with the waits and limits of `config` that have a meaning in one process.
#[cfg(feature = "tail-sampling")]
impl From<TailSamplingConfig> for TailSampling {
    fn from(config: TailSamplingConfig) -> Self {
        let limits = Self {
            decision_wait: config.decision_wait,
            wait_after_root: config.decision_wait_after_root_received,
            num_traces: config.num_traces,
            max_spans_per_trace: config.max_spans_per_trace,
            maximum_trace_size_bytes: config.maximum_trace_size_bytes,
            drops_pending: config.drop_pending_traces_on_shutdown,
            ..Self::with_decider(Decider::Policies(Arc::new(TailSamplingConfig::default())))
        };
        Self { decider: Decider::Policies(Arc::new(config)), ..limits }
    }
}

impl fmt::Debug for TailSampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TailSampling").field(&self.description()).finish()
    }
}

const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
