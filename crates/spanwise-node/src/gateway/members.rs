//! The peers and the ring of them, as one value that changes as a whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use spanwise_transport::{Ring, Transport};
use tokio::runtime::Handle;

use super::peer::{Peer, PeerOwner, sender};
use super::resolver::endpoint_of;
use super::routes::Routes;
use crate::settings::GatewaySettings;
use crate::start_error::{ExitKind, StartError};
use crate::tls_files;

/// The peers by their numbers in the ring.
pub(crate) struct Membership {
    pub(crate) routes: Routes,
    pub(crate) targets: Vec<Target>,
}

/// Where a share goes.
#[derive(Clone)]
pub(crate) enum Target {
    /// The stage of this node.
    Local,
    /// A peer over the network.
    Peer(Arc<Peer>),
}

/// Decides who the members are. Behind a lock that no request takes.
pub(crate) struct Members {
    settings: GatewaySettings,
    max_queue_bytes: usize,
    has_local: bool,
    /// The names of the resolver.
    names: Vec<String>,
    /// Those of them that do not answer, with their transports.
    unreachable: HashMap<String, Arc<Peer>>,
    peers: HashMap<String, Arc<Peer>>,
    /// Peers that left, and may have requests in flight.
    leaving: Vec<Weak<Peer>>,
    is_stopped: bool,
}

/// The result of a change.
pub(crate) struct Change {
    /// The new members.
    pub(crate) membership: Membership,
    /// The peers that are none any more.
    pub(crate) left: Vec<Arc<Peer>>,
}

impl Members {
    pub(crate) fn new(settings: GatewaySettings, max_queue_bytes: usize, has_local: bool) -> Self {
        Self {
            settings,
            max_queue_bytes,
            has_local,
            names: Vec::new(),
            unreachable: HashMap::new(),
            peers: HashMap::new(),
            leaving: Vec::new(),
            is_stopped: false,
        }
    }

    /// Takes the names of the resolver, which are sorted and distinct.
    pub(crate) fn set_names(&mut self, names: Vec<String>) {
        self.unreachable.retain(|name, _| names.contains(name));
        if self.unreachable.len() == names.len() {
            // Spans wait for peers that do not answer, if there is no other.
            self.unreachable.clear();
        }
        self.names = names;
    }

    /// Traces that have begun stay with their peer for this time after the next changes.
    pub(crate) fn set_decision_wait(&mut self, wait: Duration) {
        self.settings.decision_wait = wait;
    }

    /// A peer does not answer. Returns whether that is new: not for a peer that has left, and not for the last one that is left.
    pub(crate) fn set_unreachable(&mut self, peer: &Peer) -> bool {
        let is_member = |found: &&Arc<Peer>| std::ptr::eq(Arc::as_ptr(found), peer);
        let Some(member) = self.peers.get(peer.name()).filter(is_member) else { return false };
        // Without any other, its spans wait for it.
        let others = self.names.len() - self.unreachable.len();
        if others < 2 || self.is_stopped {
            return false;
        }
        self.unreachable.insert(peer.name().to_owned(), Arc::clone(member));
        true
    }

    /// A peer answers again. Returns whether it did not before.
    pub(crate) fn set_reachable(&mut self, name: &str) -> bool {
        self.unreachable.remove(name).is_some()
    }

    /// Whether the peer is still known and does not answer.
    pub(crate) fn is_unreachable(&self, peer: &Arc<Peer>) -> bool {
        !self.is_stopped
            && self.unreachable.get(peer.name()).is_some_and(|known| Arc::ptr_eq(known, peer))
    }

    pub(crate) fn unreachable(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.unreachable.values()
    }

    /// Ends all changes. Returns the peers, and those that left and have requests in flight.
    pub(crate) fn stop(&mut self) -> (Vec<Arc<Peer>>, Vec<Arc<Peer>>) {
        self.is_stopped = true;
        let peers = self.peers.values().chain(self.unreachable.values()).cloned().collect();
        (peers, self.leaving.drain(..).filter_map(|peer| peer.upgrade()).collect())
    }

    /// The members after a change; `None` if they are the same ones.
    ///
    /// # Errors
    /// A name that is no host, or settings of the transport that cannot be used. The members stay as they are.
    pub(crate) fn change(
        &mut self,
        before: Option<&Membership>,
        owner: &Weak<dyn PeerOwner>,
        runtime: &Handle,
    ) -> Result<Option<Change>, StartError> {
        let names: Vec<&String> =
            self.names.iter().filter(|name| !self.unreachable.contains_key(*name)).collect();
        let old = before.map_or(&[][..], |before| before.routes.names());
        if self.is_stopped || names.is_empty() || names.iter().copied().eq(old) {
            return Ok(None);
        }
        let is_local =
            |name: &String| self.has_local && self.settings.own_name.as_ref() == Some(name);
        let mut new = Vec::new();
        for name in names.iter().filter(|name| !is_local(name)) {
            if !self.peers.contains_key(*name) {
                new.push(((*name).clone(), self.transport(name)?));
            }
        }
        let ring = Ring::new(self.settings.ring, names.iter().map(|name| name.as_str()));
        let ring = ring.map_err(|error| StartError::new(ExitKind::Settings, error.to_string()))?;
        for (name, transport) in new {
            let (max_bytes, patience) = (self.max_queue_bytes, self.settings.unreachable_timeout);
            let peer = Arc::new(Peer::new(name.clone(), transport, max_bytes, patience));
            sender::start(&peer, owner, runtime);
            self.peers.insert(name, peer);
        }
        let targets = names.iter().map(|name| match self.peers.get(*name) {
            Some(peer) if !is_local(name) => Target::Peer(Arc::clone(peer)),
            _ => Target::Local,
        });
        let targets = targets.collect();
        let wait = self.settings.decision_wait;
        let routes = match before {
            Some(before) => before.routes.next(ring, Instant::now(), wait),
            None => Routes::new(ring),
        };
        let members: BTreeSet<&str> = names.iter().map(|name| name.as_str()).collect();
        let (stay, left) = std::mem::take(&mut self.peers)
            .into_iter()
            .partition(|(name, _)| members.contains(name.as_str()));
        self.peers = stay;
        let left: HashMap<String, Arc<Peer>> = left;
        // Its senders hold a peer until their requests have ended.
        self.leaving.retain(|peer| peer.strong_count() > 0);
        self.leaving.extend(left.values().map(Arc::downgrade));
        let membership = Membership { routes, targets };
        Ok(Some(Change { membership, left: left.into_values().collect() }))
    }

    fn transport(&self, name: &str) -> Result<Transport, StartError> {
        let builder = self.settings.transport.clone();
        let of_peer = format!("the peer `{name}`");
        let endpoint = endpoint_of(name, self.settings.uses_tls)
            .map_err(|error| StartError::new(ExitKind::Settings, format!("{of_peer}: {error}")))?;
        // The senders repeat requests themselves, and detect a peer that left or is down between two of them.
        let builder = builder.with_request_timeout(self.settings.unreachable_timeout / 2);
        let built = builder.with_endpoint(endpoint).build();
        built.map_err(|error| tls_files::start_error(&of_peer, &error))
    }
}
