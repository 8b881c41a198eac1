//! Divides requests among the members, and takes back what a peer does not get.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use spanwise_batch::Budget;
use spanwise_ledger::{DropReason, Ledger, Tickets};
use spanwise_transport::PREFIX;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::counts::Counters;
use super::held::Held;
use super::members::{Members, Membership, Target};
use super::peer::queue::Batch;
use super::peer::{Peer, PeerOwner};
use super::recent::RecentTraces;
use super::split::{Parts, divide};
use crate::stage::{OwnedRequest, Stage};

/// The part of a gateway that its threads share.
pub(crate) struct Router {
    pub(crate) membership: ArcSwapOption<Membership>,
    pub(crate) recent: RecentTraces,
    pub(crate) ledger: Ledger,
    pub(crate) counters: Counters,
    pub(crate) local: Option<Arc<dyn Stage>>,
    /// Receivers are refused: the gateway ends.
    pub(crate) is_closed: AtomicBool,
    /// Notified when a batch has its outcome.
    pub(crate) ended: Notify,
    pub(crate) problem: Mutex<Option<String>>,
    pub(crate) budget: Budget,
    pub(crate) members: Mutex<Members>,
    pub(crate) runtime: Handle,
    /// The time without an answer after which a peer's share goes to the others.
    pub(crate) unreachable_timeout: Duration,
    pub(crate) this: Weak<Router>,
}

/// A request on its way to a peer.
struct Load {
    bytes: LoadBytes,
    spans: u64,
    held: Held,
    /// Of the ledger, if the request was on its way to another peer before.
    tickets: Option<Tickets>,
}

/// The bytes of a request, whose memory is reused where it has space for a prefix.
enum LoadBytes {
    Plain(Bytes),
    Prefixed(Vec<u8>),
}

impl Load {
    fn of_part(prefixed: Vec<u8>, spans: u64, held: Held) -> Self {
        Self { bytes: LoadBytes::Prefixed(prefixed), spans, held, tickets: None }
    }

    fn of_batch(batch: Batch) -> Self {
        let spans = batch.spans();
        let bytes = LoadBytes::Prefixed(batch.prefixed);
        Self { bytes, spans, held: batch.held, tickets: Some(batch.tickets) }
    }

    /// The message, without a copy.
    fn message(&mut self) -> Bytes {
        if let LoadBytes::Prefixed(prefixed) = &mut self.bytes {
            self.bytes = LoadBytes::Plain(Bytes::from(std::mem::take(prefixed)).slice(PREFIX..));
        }
        match &self.bytes {
            LoadBytes::Plain(bytes) => bytes.clone(),
            LoadBytes::Prefixed(_) => Bytes::new(),
        }
    }

    fn into_batch(self, tickets: Tickets) -> Batch {
        match self.bytes {
            LoadBytes::Plain(message) => Batch::copied(&message, tickets, self.held),
            LoadBytes::Prefixed(prefixed) => Batch { prefixed, tickets, held: self.held },
        }
    }
}

impl Router {
    /// Routes a request of a client.
    pub(crate) fn accept(&self, request: OwnedRequest) {
        let OwnedRequest { bytes, spans, charge } = request;
        Counters::add(&self.counters.handed, spans);
        let (bytes, held) = (LoadBytes::Plain(bytes), Held::new(charge));
        self.route(Load { bytes, spans, held, tickets: None });
    }

    /// Routes a request by the present members; by the next ones, if a peer leaves meanwhile.
    fn route(&self, load: Load) {
        let mut loads = vec![load];
        while let Some(load) = loads.pop() {
            if load.spans == 0 {
                continue;
            }
            let membership = self.membership.load_full();
            match &membership {
                Some(membership) => self.divide(load, membership, &mut loads),
                None => self.dropped(load),
            }
        }
    }

    /// Drops a request that has no member: the gateway has ended.
    fn dropped(&self, load: Load) {
        match load.tickets {
            Some(tickets) => tickets.dropped(DropReason::ShutdownDeadline),
            None => Counters::add(&self.counters.without_peers, load.spans),
        }
    }

    /// Hands the parts of a request to their members. Those of peers that have just left are added to `loads`.
    fn divide(&self, mut load: Load, membership: &Membership, loads: &mut Vec<Load>) {
        let Membership { routes, targets } = membership;
        let bytes = load.message();
        let mut at = routes.at(Instant::now(), &self.recent);
        let division = divide(&bytes, targets.len(), |id| at.peer(id));
        let counters = &self.counters;
        let parts = match division {
            Ok(division) => {
                Counters::add(&counters.malformed, division.malformed);
                division.parts
            }
            Err(_) => {
                Counters::add(&counters.undivided, load.spans);
                Parts::Whole(at.peer(&[0; 16]))
            }
        };
        counters.changed(at.changed);
        let parts = match parts {
            Parts::Whole(peer) => return loads.extend(self.hand(load, targets.get(peer))),
            Parts::Several(parts) => parts,
        };
        let sizes: Vec<usize> = parts.iter().map(|part| part.prefixed.len()).collect();
        let helds = match std::mem::take(&mut load.held).divide(&sizes, &self.budget) {
            Ok(helds) => helds,
            Err(held) => {
                // No memory for further copies of resources: the request stays whole.
                Counters::add(&counters.undivided, load.spans);
                load.held = held;
                let first = parts.first().and_then(|part| targets.get(part.peer));
                return loads.extend(self.hand(load, first));
            }
        };
        let mut tickets = load.tickets;
        for (part, held) in parts.into_iter().zip(helds) {
            let mut own = Load::of_part(part.prefixed, part.spans, held);
            own.tickets = tickets.as_mut().map(|tickets| tickets.split(part.spans));
            loads.extend(self.hand(own, targets.get(part.peer)));
        }
    }

    /// Hands a request to a member. Returns it if the peer has left.
    fn hand(&self, mut load: Load, target: Option<&Target>) -> Option<Load> {
        let spans = load.spans;
        match (target, &self.local) {
            (Some(Target::Peer(peer)), _) => {
                let is_new = load.tickets.is_none();
                let tickets = load.tickets.take().unwrap_or_else(|| {
                    self.ledger.started_many(spans);
                    self.ledger.tickets(spans)
                });
                if !is_new {
                    Counters::add(&self.counters.rerouted, spans);
                }
                peer.push(load.into_batch(tickets)).err().map(Load::of_batch)
            }
            (Some(Target::Local), Some(local)) => {
                let bytes = load.message();
                let held = std::mem::take(&mut load.held).into_charge();
                let Some(charge) =
                    held.or_else(|| self.budget.try_charge_reserved(0).map(Arc::new))
                else {
                    // A budget always has zero bytes.
                    self.dropped(load);
                    return None;
                };
                let request = OwnedRequest { bytes, spans, charge };
                match load.tickets {
                    None => {
                        Counters::add(&self.counters.local, spans);
                        local.accept(request);
                    }
                    Some(tickets) => self.hand_back(request, tickets, Arc::clone(local)),
                }
                None
            }
            _ => {
                self.dropped(load);
                None
            }
        }
    }

    /// Hands spans that were on their way to a peer to the stage of this node. It may block, which a sender must not.
    fn hand_back(&self, request: OwnedRequest, tickets: Tickets, local: Arc<dyn Stage>) {
        let this = Weak::clone(&self.this);
        self.runtime.spawn_blocking(move || {
            local.accept(request);
            if let Some(router) = this.upgrade() {
                Counters::add(&router.counters.rerouted, tickets.len());
                Counters::add(&router.counters.rerouted_to_local, tickets.len());
            }
            tickets.exported();
        });
    }

    /// Takes a change of the names or of the peers that answer.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Members)) {
        let owner: Weak<dyn PeerOwner> = self.this.clone();
        let mut members = self.members();
        change(&mut members);
        let before = self.membership.load_full();
        let changed = members.change(before.as_deref(), &owner, &self.runtime);
        let problem = changed.as_ref().err().cloned();
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        let Ok(Some(change)) = changed else { return };
        if before.is_some() {
            Counters::add(&self.counters.ring_changes, 1);
        }
        self.membership.store(Some(Arc::new(change.membership)));
        drop(members);
        // Behind the new ring: what they have waiting follows it.
        for peer in change.left {
            for batch in peer.leave() {
                self.route(Load::of_batch(batch));
            }
        }
    }

    pub(crate) fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a peer that does not answer until it does, and makes it a member again.
    fn probe(&self, peer: Arc<Peer>) {
        let (router, interval) = (self.this.clone(), self.unreachable_timeout.min(PROBE_INTERVAL));
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                match router.upgrade() {
                    Some(router) if router.members().is_unreachable(&peer) => {}
                    _ => return,
                }
                if peer.probe().await {
                    let Some(router) = router.upgrade() else { return };
                    if router.members().is_unreachable(&peer) {
                        router.update(|members| _ = members.set_reachable(peer.name()));
                    }
                    return;
                }
            }
        });
    }
}

impl PeerOwner for Router {
    fn take_back(&self, batch: Batch) {
        self.route(Load::of_batch(batch));
    }

    fn unanswered(&self, peer: &Peer, silence: Duration) {
        if silence < self.unreachable_timeout {
            return;
        }
        let mut lost = None;
        self.update(|members| {
            if members.set_unreachable(peer) {
                lost = members.unreachable().find(|known| known.name() == peer.name()).cloned();
            }
        });
        if let Some(peer) = lost {
            self.probe(peer);
        }
    }

    fn ended(&self) {
        self.ended.notify_waiters();
    }
}

impl Stage for Router {
    fn busy(&self) -> Option<Duration> {
        if self.is_closed.load(Relaxed) {
            return Some(RETRY_DELAY);
        }
        let membership = self.membership.load();
        // Without names, there is no peer yet.
        let Some(membership) = membership.as_ref() else { return Some(RETRY_DELAY) };
        membership.targets.iter().find_map(|target| match (target, &self.local) {
            (Target::Peer(peer), _) => peer.is_full().then_some(RETRY_DELAY),
            (Target::Local, Some(local)) => local.busy(),
            (Target::Local, None) => None,
        })
    }

    fn accept(&self, request: OwnedRequest) {
        Router::accept(self, request);
    }
}

/// The time after which senders try again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
