//! Divides requests among the members, and takes back what a peer does not get.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use spanwise_batch::Budget;
use spanwise_ledger::{DropReason, Ledger, Tickets};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::counts::Counters;
use super::held::{Held, PartsMemory};
use super::load::{Load, LoadBytes};
use super::members::{Members, Membership, Target};
use super::peer::queue::Batch;
use super::peer::{Peer, PeerOwner};
use super::recent::RecentTraces;
use super::resolver::Resolutions;
use super::routes::Changed;
use super::split::{Part, Parts, Undivided, divide};
use crate::stage::{Busy, OwnedRequest, Refusal, Stage};

/// The part of a gateway that its threads share.
pub(crate) struct Router {
    pub(crate) membership: ArcSwapOption<Membership>,
    pub(crate) recent: RecentTraces,
    pub(crate) ledger: Ledger,
    pub(crate) counters: Counters,
    pub(crate) local: Option<Arc<dyn Stage>>,
    /// Receivers are refused: the gateway ends.
    pub(crate) is_closed: AtomicBool,
    /// The deadline of the end has passed.
    pub(crate) is_over: AtomicBool,
    /// Notified when a batch has its outcome.
    pub(crate) ended: Notify,
    pub(crate) resolutions: Arc<Resolutions>,
    pub(crate) budget: Budget,
    pub(crate) members: Mutex<Members>,
    pub(crate) runtime: Handle,
    /// The time without an answer after which a peer's share goes to the others.
    pub(crate) unreachable_timeout: Duration,
    /// A task tries a change again.
    pub(crate) is_retrying: AtomicBool,
    pub(crate) this: Weak<Router>,
}

/// The shares of a request, each with the number of its member.
struct Shares {
    loads: Vec<(usize, Load)>,
    malformed: u64,
    undivided: u64,
    /// They are `undivided` because there is no memory for parts.
    lack_memory: bool,
    stayed: u64,
}

impl Router {
    /// Routes a request of a client, if there are members and the stage of this node takes its share: that is asked first, so that a
    /// request is refused as a whole.
    fn try_route(&self, request: OwnedRequest) -> Result<(), Refusal> {
        let OwnedRequest { bytes, spans, charge } = request;
        let Some(membership) = self.membership.load_full() else {
            return Err(Refusal::Busy(Busy::NoPeer));
        };
        let (bytes, held) = (LoadBytes::Plain(bytes), Held::new(charge));
        let mut shares = self.divide(Load { bytes, spans, held, tickets: None }, &membership);
        if shares.lack_memory {
            // Whole, it would tear its traces.
            return Err(Refusal::Busy(Busy::Full));
        }
        let is_local = |(member, _): &(usize, Load)| {
            matches!(membership.targets.get(*member), Some(Target::Local))
        };
        let own = shares.loads.iter().position(is_local).map(|at| shares.loads.swap_remove(at).1);
        let mut own_spans = 0;
        if let (Some(load), Some(local)) = (own, &self.local) {
            own_spans = load.spans;
            local.try_accept(load.into_request(&self.budget)?)?;
        }
        // Before the share of this node, and before the ledger has the others.
        Counters::add(&self.counters.handed, spans);
        Counters::add(&self.counters.local, own_spans);
        self.hand_all(shares, membership);
        Ok(())
    }

    /// Routes a request that was on its way to a peer, by the present members.
    fn route(&self, load: Load) {
        match self.membership.load_full() {
            _ if load.spans == 0 => {}
            Some(membership) => self.hand_all(self.divide(load, &membership), membership),
            None => self.dropped(load),
        }
    }

    /// Hands the shares of a request to their members; those of a peer that has just left are divided by the next ones.
    fn hand_all(&self, shares: Shares, membership: Arc<Membership>) {
        let mut waiting = vec![(shares, membership)];
        while let Some((shares, membership)) = waiting.pop() {
            let Shares { loads, malformed, undivided, stayed, .. } = shares;
            Counters::add(&self.counters.malformed, malformed);
            Counters::add(&self.counters.undivided, undivided);
            Counters::add(&self.counters.stayed, stayed);
            for (member, load) in loads {
                let Some(load) = self.hand(load, membership.targets.get(member)) else { continue };
                match self.membership.load_full() {
                    Some(next) => waiting.push((self.divide(load, &next), next)),
                    None => self.dropped(load),
                }
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

    /// The tickets of a request, which are new for one of a client.
    fn tickets(&self, tickets: Option<Tickets>, spans: u64) -> Tickets {
        tickets.unwrap_or_else(|| {
            self.ledger.started_many(spans);
            self.ledger.tickets(spans)
        })
    }

    /// Divides a request among the members.
    fn divide(&self, mut load: Load, membership: &Membership) -> Shares {
        let Membership { routes, targets } = membership;
        let bytes = load.message();
        let mut at = routes.at(Instant::now(), &self.recent);
        let mut memory = PartsMemory::new(std::mem::take(&mut load.held), &self.budget);
        let division = divide(&bytes, targets.len(), &mut memory, |id| at.peer(id));
        let lack_memory = matches!(division, Err(Undivided::NoMemory(_)));
        let (parts, malformed, undivided) = match division {
            Ok(division) => (division.parts, division.malformed, 0),
            Err(undivided) => {
                let peer = undivided.peer().unwrap_or_else(|| at.peer(&[0; 16]));
                (Parts::Whole(peer), 0, load.spans)
            }
        };
        // Those of a request of a client were counted before.
        let malformed = if load.tickets.is_none() { malformed } else { 0 };
        let Changed { stayed_spans: stayed, torn_traces } = at.changed;
        // Also of a request that is refused: its traces have moved.
        Counters::add(&self.counters.torn_traces, torn_traces);
        let loads = match parts {
            Parts::Whole(peer) => {
                load.held = memory.of_whole();
                vec![(peer, load)]
            }
            Parts::Several(parts) => {
                let mut tickets = load.tickets;
                let own = |part: Part| {
                    let held = memory.of_part(part.charge);
                    let tickets = tickets.as_mut().map(|tickets| tickets.split(part.spans));
                    let bytes = LoadBytes::Prefixed(part.prefixed);
                    (part.peer, Load { bytes, spans: part.spans, held, tickets })
                };
                parts.into_iter().map(own).collect()
            }
        };
        Shares { loads, malformed, undivided, lack_memory, stayed }
    }

    /// Hands a request to a member. Returns it if the peer has left.
    fn hand(&self, mut load: Load, target: Option<&Target>) -> Option<Load> {
        let spans = load.spans;
        let is_new = load.tickets.is_none();
        let tickets = self.tickets(load.tickets.take(), spans);
        match (target, &self.local) {
            (Some(Target::Peer(peer)), _) => {
                if !is_new {
                    Counters::add(&self.counters.rerouted, spans);
                }
                peer.push(load.into_batch(tickets)).err().map(Load::of_batch)
            }
            (Some(Target::Local), Some(local)) => {
                match load.into_request(&self.budget) {
                    Ok(request) => self.hand_back(request, tickets, Arc::clone(local)),
                    // A budget always has zero bytes.
                    Err(_) => tickets.dropped(DropReason::QueueBytes),
                }
                None
            }
            _ => {
                tickets.dropped(DropReason::ShutdownDeadline);
                None
            }
        }
    }

    /// Hands spans that were on their way to a peer to the stage of this node, as soon as it has space.
    fn hand_back(&self, request: OwnedRequest, tickets: Tickets, local: Arc<dyn Stage>) {
        let this = Weak::clone(&self.this);
        self.runtime.spawn(async move {
            let mut delay = FIRST_SPACE_WAIT;
            let reason = loop {
                match local.try_accept(request.clone()) {
                    Ok(()) => break None,
                    Err(Refusal::TooLarge) => break Some(DropReason::TooLarge),
                    Err(Refusal::Malformed) => break Some(DropReason::Rejected),
                    Err(Refusal::Busy(_)) => {}
                }
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(MAX_SPACE_WAIT);
                if this.upgrade().is_none_or(|router| router.is_over.load(Relaxed)) {
                    break Some(DropReason::ShutdownDeadline);
                }
            };
            drop(request);
            let router = this.upgrade();
            match reason {
                None => {
                    if let Some(Router { counters, .. }) = router.as_deref() {
                        Counters::add(&counters.rerouted, tickets.len());
                        Counters::add(&counters.rerouted_to_local, tickets.len());
                    }
                    tickets.exported();
                }
                Some(reason) => tickets.dropped(reason),
            }
            if let Some(router) = router {
                router.ended();
            }
        });
    }

    /// Takes a change of the names or of the peers that answer. One that fails is tried again until it succeeds: certificates that
    /// are being replaced cannot be read for a moment.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Members)) {
        if !self.try_update(change) {
            self.retry_update();
        }
    }

    /// Whether the change is made, or there is none to make.
    fn try_update(&self, change: impl FnOnce(&mut Members)) -> bool {
        let owner: Weak<dyn PeerOwner> = self.this.clone();
        let mut members = self.members();
        change(&mut members);
        let before = self.membership.load_full();
        let changed = members.change(before.as_deref(), &owner, &self.runtime);
        self.resolutions.set_change(changed.as_ref().err().cloned());
        let change = match changed {
            Ok(Some(change)) => change,
            unchanged => return unchanged.is_ok(),
        };
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
        true
    }

    /// Tries the last change again, with growing delays.
    fn retry_update(&self) {
        if self.is_retrying.swap(true, AcqRel) {
            return;
        }
        let this = Weak::clone(&self.this);
        self.runtime.spawn(async move {
            let mut delay = FIRST_CHANGE_DELAY;
            loop {
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(MAX_CHANGE_DELAY);
                let Some(router) = this.upgrade() else { return };
                // Before the attempt: an update that fails behind it starts the next retries.
                router.is_retrying.store(false, Release);
                if router.try_update(|_| ()) || router.is_retrying.swap(true, AcqRel) {
                    return;
                }
            }
        });
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
    fn busy(&self) -> Option<Busy> {
        if self.is_closed.load(Relaxed) {
            return Some(Busy::Draining);
        }
        let membership = self.membership.load();
        let Some(membership) = membership.as_ref() else { return Some(Busy::NoPeer) };
        membership.targets.iter().find_map(|target| match (target, &self.local) {
            (Target::Peer(peer), _) => peer.is_full().then_some(Busy::Full),
            (Target::Local, Some(local)) => local.busy(),
            (Target::Local, None) => None,
        })
    }

    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal> {
        match self.busy() {
            Some(busy) => Err(Refusal::Busy(busy)),
            None => self.try_route(request),
        }
    }
}

const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_SPACE_WAIT: Duration = Duration::from_millis(2);
/// The outcome of a span is known shortly after the deadline of an end.
const MAX_SPACE_WAIT: Duration = Duration::from_millis(16);
/// The delays between the attempts of a change that failed.
const FIRST_CHANGE_DELAY: Duration = Duration::from_millis(100);
const MAX_CHANGE_DELAY: Duration = Duration::from_secs(30);
