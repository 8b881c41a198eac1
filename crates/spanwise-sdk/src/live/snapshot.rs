//! [`LiveSnapshot`]: the state of a provider at one instant.

use super::redaction::LiveRedaction;
use crate::core::Phase;
use crate::diagnostics::LiveDiagnostic;
use crate::lifecycle::Handle;
use crate::recent::LiveSpan;
use crate::redaction::SpanRedaction;
use spanwise_ledger::Snapshot;
use spanwise_sampling::{DynamicSampler, SamplingRate};
use spanwise_wire::read::ResourceSpans;
use std::time::Duration;

/// The state of a provider at one instant.
///
/// It has names, numbers and addresses. Of a URL it has neither user info nor query, and it has no header values and no attribute values but
/// the service name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveSnapshot {
    /// The service name of the resource.
    pub service_name: String,
    /// `running`, `disabled`, `not_exporting`, `shut_down` or `worker_terminated`.
    pub state: &'static str,
    /// The time since the provider was built.
    pub uptime: Duration,
    /// The counts of all spans.
    pub ledger: Snapshot,
    /// The byte budget.
    pub budget: LiveBudget,
    /// The sampler.
    pub sampler: LiveSampler,
    /// The destinations, the builder's first; empty if the provider exports nothing.
    pub destinations: Vec<LiveDestination>,
    /// The counts of redaction; `None` if the provider redacts nothing.
    pub redaction: Option<LiveRedaction>,
    /// The latest reports of the provider about itself, at most 32, the newest last.
    pub diagnostics: Vec<LiveDiagnostic>,
    /// Ended spans of some traces, at most 300, the newest last; empty unless [`watch_spans`](crate::LiveView::watch_spans) was called.
    /// Of a busy process it has whole traces and leaves out others. Tail sampling has not decided about them yet.
    pub recent_spans: Vec<LiveSpan>,
}

/// The byte budget of ended spans and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveBudget {
    /// Its bytes.
    pub limit_bytes: usize,
    /// The bytes in use.
    pub used_bytes: usize,
    /// The largest number of bytes in use so far.
    pub peak_bytes: usize,
}

/// The sampler of a provider.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveSampler {
    /// Its description (specification, *GetDescription*).
    pub description: String,
    /// The probability of each key, the busiest first; empty unless the sampler adapts by key. With redaction, a key that a rule changes
    /// as the name of a span is `****`, and so is one of 45 bytes or more, which may be cut within a secret.
    pub rates: Vec<SamplingRate>,
}

/// A destination of spans.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveDestination {
    /// Its name; that of the first is its endpoint.
    pub name: String,
    /// The endpoint of its requests.
    pub endpoint: String,
    /// The counts of its spans; those of the first destination are the provider's.
    pub ledger: Snapshot,
    /// Endpoint and cause of the last failed attempt; `None` once a request was accepted after it.
    pub last_failure: Option<String>,
}

impl LiveSnapshot {
    pub(super) fn of(handle: &Handle) -> Self {
        let core = &handle.core;
        let budget = core.budget();
        Self {
            service_name: service_name(&handle.resource()),
            state: state(core.phase()),
            uptime: handle.age(),
            ledger: core.ledger.snapshot(),
            budget: LiveBudget {
                limit_bytes: budget.limit(),
                used_bytes: budget.charged(),
                peak_bytes: budget.peak(),
            },
            sampler: LiveSampler::of(&core.sampler, core.redaction.as_deref()),
            destinations: destinations(handle),
            redaction: core.redaction.as_ref().map(|it| it.counts()),
            diagnostics: handle.reporter().recent(),
            recent_spans: core.recent.list(),
        }
    }
}

impl LiveSampler {
    /// A sampler knows the names of spans as they are.
    fn of(sampler: &DynamicSampler, redaction: Option<&SpanRedaction>) -> Self {
        let mut rates = sampler.load().rates();
        if let Some(redaction) = redaction {
            let is_secret = |key: &str| key.len() >= MIN_CUT_KEY || redaction.changes_name(key);
            let secret = rates.iter_mut().filter(|rate| is_secret(&rate.key));
            secret.for_each(|rate| rate.key = "****".to_owned());
        }
        Self { description: sampler.to_string(), rates }
    }
}

fn destinations(handle: &Handle) -> Vec<LiveDestination> {
    let healths = std::iter::once(&handle.health).chain(&handle.destinations);
    let ledgers = handle.exporter.iter().flat_map(|exporter| exporter.destinations());
    ledgers
        .zip(healths)
        .map(|((name, ledger), health)| LiveDestination {
            name: name.to_owned(),
            endpoint: health.endpoint(),
            ledger: ledger.snapshot(),
            last_failure: health.present_failure(),
        })
        .collect()
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Disabled => "disabled",
        Phase::NotExporting => "not_exporting",
        Phase::ShutDown => "shut_down",
        Phase::WorkerTerminated => "worker_terminated",
    }
}

/// The service name of an encoded resource; empty without one, as that of a provider without an exporter.
pub(super) fn service_name(resource: &[u8]) -> String {
    let resource = ResourceSpans::parse(resource).ok();
    let name = resource.as_ref().and_then(|it| it.attribute("service.name"));
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A key of 48 bytes may be the first part of a longer one, and may end up to three bytes before, between characters.
const MIN_CUT_KEY: usize = 45;
