//! The stage that routes requests by trace id over peers, as the Collector's load-balancing exporter does.
//!
//! `resolver` finds the names of the peers, `members` makes a ring of them, `routes` and `recent` find the peer of a trace, `split`
//! divides a request, `peer` has the queue and the senders of one peer, and `router` is all of it for receivers.

mod counts;
mod held;
mod load;
mod members;
mod metrics;
mod peer;
mod recent;
mod resolver;
mod router;
mod routes;
mod split;

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use spanwise_batch::Budget;
use spanwise_ledger::Ledger;
use spanwise_metrics::Metric;
use tokio::runtime::Handle;

use counts::peer_account;
use members::{Members, Target};
use peer::Peer;
use recent::RecentTraces;
use resolver::{Names, Resolutions, Resolving};
pub(crate) use resolver::{check_name, endpoint_of};
use router::Router;

use crate::account::{GatewayAccount, PeerAccount};
use crate::settings::GatewaySettings;
use crate::stage::{Busy, OwnedRequest, Refusal, Stage};
use crate::start_error::{ExitKind, StartError};
use crate::tls_files;

/// The stage of a gateway.
pub(crate) struct Gateway {
    router: Arc<Router>,
    /// The name of the resolver in metrics.
    resolver: &'static str,
    resolving: Mutex<Option<Resolving>>,
    /// The peers at the end of a drain.
    stopped: OnceLock<Vec<Arc<Peer>>>,
}

impl Gateway {
    /// Resolves the peers once, for at most the deadline of a lookup, and starts the gateway. Without peers it is busy until they are
    /// resolved. `local` is the stage of this node's own share, if its name is among the peers. Senders run on `runtime`, which has a
    /// timer and I/O.
    ///
    /// # Errors
    /// The names of a list or the settings of the transport cannot be used, a certificate or a key among them, or the system has no
    /// thread.
    pub(crate) fn start(
        settings: GatewaySettings,
        local: Option<Arc<dyn Stage>>,
        budget: Budget,
        runtime: Handle,
    ) -> Result<Self, StartError> {
        check_transport(&settings)?;
        let (source, interval) = resolver::source(&settings.resolver, resolver::system());
        let resolutions = Arc::new(Resolutions::default());
        let mut names = Names::new(source, Arc::clone(&resolutions));
        let resolver = resolver::kind(&settings.resolver);
        let max_queue_bytes = settings.queue_bytes.unwrap_or(budget.limit() / 2).max(1);
        let recent_bytes = (budget.limit() / 32).min(MAX_RECENT_BYTES);
        let router = Arc::new_cyclic(|this| Router {
            membership: None.into(),
            recent: RecentTraces::new(recent_bytes, settings.decision_wait, Instant::now()),
            ledger: Ledger::new(),
            counters: Default::default(),
            is_closed: false.into(),
            is_over: false.into(),
            is_retrying: false.into(),
            ended: Default::default(),
            resolutions: Arc::clone(&resolutions),
            budget,
            unreachable_timeout: settings.unreachable_timeout,
            members: Mutex::new(Members::new(settings, max_queue_bytes, local.is_some())),
            local,
            runtime,
            this: this.clone(),
        });
        if let Some(first) = names.resolve() {
            router.update(|members| members.set_names(first));
        }
        let Some(interval) = interval else {
            // A list does not change: its mistakes stay.
            return match resolutions.start_error() {
                Some(error) => Err(error),
                None => Ok(Self::new(router, resolver, None)),
            };
        };
        let weak = Arc::downgrade(&router);
        let resolving = Resolving::start(names, interval, move |names| {
            let Some(router) = weak.upgrade() else { return false };
            router.update(|members| members.set_names(names));
            true
        });
        let resolving = resolving
            .map_err(|error| StartError::io("start the thread of the resolver", &error))?;
        Ok(Self::new(router, resolver, Some(resolving)))
    }

    fn new(router: Arc<Router>, resolver: &'static str, resolving: Option<Resolving>) -> Self {
        let (resolving, stopped) = (Mutex::new(resolving), OnceLock::new());
        Self { router, resolver, resolving, stopped }
    }

    /// Takes another longest `decision_wait` of the samplers.
    pub(crate) fn set_decision_wait(&self, wait: Duration) {
        self.router.recent.set_wait(wait);
        self.router.members().set_decision_wait(wait);
    }

    /// Refuses further requests, waits until each span has an outcome or `deadline` has come, and drops the rest.
    pub(crate) async fn drain(&self, deadline: Instant) {
        let router = &self.router;
        router.is_closed.store(true, Release);
        self.resolving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let settled = async {
            loop {
                let ended = router.ended.notified();
                if router.ledger.snapshot().in_flight == 0 {
                    return;
                }
                // A batch may have ended before the wait began.
                _ = tokio::time::timeout(MAX_WAIT, ended).await;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        _ = tokio::time::timeout(left, settled).await;
        let (peers, leaving) = router.members().stop();
        router.is_over.store(true, Release);
        router.membership.store(None);
        peers.iter().chain(&leaving).for_each(|peer| peer.stop());
        let _only_once = self.stopped.set(peers);
        // The senders report the outcomes of what they had in flight.
        let until = Instant::now() + LAST_OUTCOMES;
        while router.ledger.snapshot().in_flight > 0 && Instant::now() < until {
            _ = tokio::time::timeout(MAX_WAIT, router.ended.notified()).await;
        }
    }

    /// The account so far.
    pub(crate) fn account(&self) -> GatewayAccount {
        let Router { counters, ledger, .. } = &*self.router;
        // Outcomes before what was handed, so that no sum is negative while requests arrive.
        let ledger = ledger.snapshot();
        let unreachable: Vec<_> = self.router.members().unreachable().cloned().collect();
        // Those outside of the membership, which has none behind a drain.
        let others = self.stopped.get().unwrap_or(&unreachable);
        let membership = self.router.membership.load_full();
        let targets = membership.iter().flat_map(|membership| &membership.targets);
        let peers = targets.filter_map(|target| match target {
            Target::Peer(peer) => Some(peer),
            Target::Local => None,
        });
        let peers = peers.chain(others).map(|peer| PeerAccount {
            queued_bytes: peer.queued_bytes(),
            problem: peer.problem(),
            has_share: !unreachable.iter().any(|known| Arc::ptr_eq(known, peer)),
            ..peer_account(peer.name(), peer.counts())
        });
        let resolutions = &self.router.resolutions;
        let (resolver_failures, last_resolver_failure) = resolutions.failures();
        GatewayAccount {
            local: counters.local.load(Relaxed),
            without_peers: counters.without_peers.load(Relaxed),
            rerouted: counters.rerouted.load(Relaxed),
            rerouted_to_local: counters.rerouted_to_local.load(Relaxed),
            malformed: counters.malformed.load(Relaxed),
            undivided: counters.undivided.load(Relaxed),
            stayed: counters.stayed.load(Relaxed),
            torn_traces: counters.torn_traces.load(Relaxed),
            ring_changes: counters.ring_changes.load(Relaxed),
            peers: peers.collect(),
            resolver_problem: resolutions.problem(),
            resolver_failures,
            last_resolver_failure,
            handed: counters.handed.load(Relaxed),
            ledger,
        }
    }

    /// The metrics, under the names of the Collector's load-balancing exporter where it has them.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let membership = self.router.membership.load_full();
        let targets = membership.as_ref().map_or(&[][..], |membership| &membership.targets);
        metrics::snapshot(self.resolver, &self.router.resolutions, targets, &self.account())
    }
}

impl Stage for Gateway {
    fn busy(&self) -> Option<Busy> {
        self.router.busy()
    }

    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal> {
        self.router.try_accept(request)
    }
}

/// Builds the transport of a peer, of which there may be none yet.
///
/// # Errors
/// The settings cannot be used, or a certificate or a key cannot be read.
fn check_transport(settings: &GatewaySettings) -> Result<(), StartError> {
    let endpoint = endpoint_of("localhost", settings.uses_tls)
        .map_err(|error| StartError::new(ExitKind::Settings, error.to_string()))?;
    let built = settings.transport.clone().with_endpoint(endpoint).build();
    built.map(drop).map_err(|error| tls_files::start_error("protocol", &error))
}

/// The most bytes of the table of recent traces: one million traces, 35,000 a second with a wait of 30 s.
const MAX_RECENT_BYTES: usize = 8 << 20;
const MAX_WAIT: Duration = Duration::from_millis(20);
/// The time for cancelled requests to report their outcomes.
const LAST_OUTCOMES: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests;
