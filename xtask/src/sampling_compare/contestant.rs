//! The samplers that are compared, with about the same number of sampled traces.

use super::load::{EPOCH, Load, ROUTES};
use spanwise_config::Document;
use spanwise_sampling::{
    Adaptive, ParentBased, Sampler, SamplerContext, SamplingParameters, TraceStateUpdate,
    trace_state::OtMember,
};
use spanwise_tail::{SampledRequest, TailOutput, TailSampler, TailSamplingConfig};
use spanwise_wire::read::TraceRequest;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A sampler with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Ratio,
    Adaptive,
    Policies,
    Rules,
}

/// The decisions of a sampler about a load.
pub(super) struct Outcome {
    /// For each trace that was sampled, the number of traces that it stands for; 0 if that is unknown.
    pub(super) sampled: Vec<Option<f64>>,
    /// From the end of a span until it left, in seconds: the mean and the most.
    pub(super) delay: (f64, f64),
    /// The most bytes of memory for waiting spans.
    pub(super) memory: usize,
}

impl Contestant {
    pub(super) const ALL: [Self; 4] = [Self::Ratio, Self::Adaptive, Self::Policies, Self::Rules];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ratio => "head: ratio",
            Self::Adaptive => "head: adaptive",
            Self::Policies => "tail: policies",
            Self::Rules => "tail: rules",
        }
    }

    pub(super) fn settings(self) -> String {
        match self {
            Self::Ratio => format!("`Sampler::probability({RATIO})`"),
            Self::Adaptive => format!("`Adaptive`, {TARGET} traces per second, by route"),
            Self::Policies => "errors, slow ones and 3 % of the rest".to_owned(),
            Self::Rules => {
                "errors, slow ones and 28 spans per second of the rest, by route".to_owned()
            }
        }
    }

    /// The class of its line in style sheets.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ratio => "document",
            Self::Adaptive => "jaeger",
            Self::Policies => "trend",
            Self::Rules => "ours",
        }
    }

    /// The settings of a tail sampler as its file.
    pub(super) fn yaml(self) -> Option<&'static str> {
        match self {
            Self::Ratio | Self::Adaptive => None,
            Self::Policies => Some(POLICIES),
            Self::Rules => Some(RULES),
        }
    }

    pub(super) fn tail(self) -> Result<Option<TailSamplingConfig>, String> {
        let Some(yaml) = self.yaml() else { return Ok(None) };
        let document = Document::parse("tail.yaml", yaml.as_bytes(), |_| None);
        let document = document.map_err(|problems| problems.to_string())?;
        let read = TailSamplingConfig::from_document(&document, None);
        read.map(|read| Some(read.value)).map_err(|problems| problems.to_string())
    }

    /// The sampler of roots, whose children follow it.
    pub(super) fn head(self) -> Result<Sampler, String> {
        let root = match self {
            Self::Adaptive => {
                let adaptive = Adaptive::builder().with_traces_per_second(TARGET).build();
                Sampler::from(adaptive.map_err(|error| error.to_string())?)
            }
            _ => Sampler::probability(RATIO).map_err(|error| error.to_string())?,
        };
        Ok(ParentBased::new(root).into())
    }

    pub(super) fn run(self, load: &Load) -> Result<Outcome, String> {
        match self.tail()? {
            Some(config) => run_tail(&config, load),
            None => Ok(run_head(&self.head()?, load)),
        }
    }
}

fn run_head(sampler: &Sampler, load: &Load) -> Outcome {
    let clock = Clock::default();
    let decide = |trace: &super::load::Trace| {
        clock.set(trace.start);
        let name = ROUTES[trace.route].name;
        let decision = sampler.should_sample(&SamplingParameters::root(trace.id, name, &clock));
        decision.sampled.then(|| match decision.th {
            TraceStateUpdate::Write(threshold) => threshold.adjusted_count(),
            TraceStateUpdate::Pass | TraceStateUpdate::Erase => 0.0,
        })
    };
    // A span that ends can leave at once, and none waits for a decision.
    Outcome { sampled: load.traces.iter().map(decide).collect(), delay: (0.0, 0.0), memory: 0 }
}

fn run_tail(config: &TailSamplingConfig, load: &Load) -> Result<Outcome, String> {
    let start = Instant::now();
    let mut sampler = TailSampler::new(config, start).map_err(|error| error.to_string())?;
    let idle = sampler.memory_bytes();
    let mut sampled = Received::new(load);
    let mut most = 0;
    // The last traces wait, too.
    for tenth in 0..load.tenths.len() + 60 {
        let passed = Duration::from_millis(100 * (tenth as u64 + 1));
        sampled.now = EPOCH + passed.as_nanos() as u64;
        for request in load.tenths.get(tenth).into_iter().flatten() {
            let appended = sampler.append(start + passed, request, &mut sampled);
            let _nothing_blocks = appended.map_err(|error| error.to_string())?;
        }
        most = most.max(sampler.memory_bytes());
        sampler.tick(start + passed, &mut sampled);
    }
    if sampler.counts().pending_spans > 0 || !sampler.counts().is_balanced() {
        return Err(format!("the account does not add up: {:?}", sampler.counts()));
    }
    let mean = sampled.delays.0 / sampled.spans.max(1) as f64;
    let Received { traces, delays: (_, longest), .. } = sampled;
    Ok(Outcome { sampled: traces, delay: (mean, longest), memory: most.saturating_sub(idle) })
}

/// The sampled spans.
struct Received<'l> {
    load: &'l Load,
    now: u64,
    traces: Vec<Option<f64>>,
    /// The sum and the most.
    delays: (f64, f64),
    spans: u64,
}

impl<'l> Received<'l> {
    fn new(load: &'l Load) -> Self {
        let traces = vec![None; load.traces.len()];
        Self { load, now: 0, traces, delays: (0.0, 0.0), spans: 0 }
    }
}

impl TailOutput for Received<'_> {
    fn request(&mut self, request: SampledRequest<'_>) {
        for span in TraceRequest::new(request.bytes).spans().filter_map(Result::ok) {
            let state = span.trace_state().unwrap_or_default();
            let th = OtMember::of_header(state).ok().flatten().and_then(|member| member.th);
            let id = span.trace_id().map_or(0, u128::from_be_bytes);
            let place = self.load.index.get(&id).and_then(|index| self.traces.get_mut(*index));
            if let Some(place) = place {
                *place = Some(th.map_or(0.0, |threshold| threshold.adjusted_count()));
            }
            let delay = self.now.saturating_sub(span.end_unix_nanos()) as f64 / 1e9;
            self.delays = (self.delays.0 + delay, self.delays.1.max(delay));
            self.spans += 1;
        }
    }
}

/// The time of a load.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    pub(super) fn set(&self, seconds: f64) {
        self.0.store(EPOCH + (seconds * 1e9) as u64, Relaxed);
    }
}

impl SamplerContext for Clock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn random(&self) -> u64 {
        // No sampler that is compared here uses random numbers.
        0
    }
}

const RATIO: f64 = 0.05;
const TARGET: f64 = 8.0;

const POLICIES: &str = "\
tail_sampling:
  decision_wait: 5s
  use_trace_state: true
  policies:
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    - {name: slow, type: latency, latency: {threshold_ms: 1000}}
    - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 3}}
";

const RULES: &str = "\
tail_sampling:
  decision_wait: 5s
  rules:
    - name: errors
      conditions: [status.code == STATUS_CODE_ERROR]
      sampler: {type: always_sample}
    - name: slow
      conditions: [end_time_unix_nano - start_time_unix_nano > 1000000000]
      sampler: {type: always_sample}
    - name: rest
      sampler: {type: adaptive_throughput, goal_throughput: 28, fingerprint_attributes: [root.name]}
";
