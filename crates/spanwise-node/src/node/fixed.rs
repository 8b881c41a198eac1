//! The settings that only a restart changes.

mod keys;

use crate::settings::{
    AdminSettings, DestinationSettings, DestinationSpool, GatewaySettings, MemoryLimit,
    NodeSettings, ReceiverSettings, ReceiverTls, Role, Target,
};
use keys::Keys;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings that only a restart changes.
pub(super) struct Fixed {
    role: Role,
    memory: MemoryLimit,
    receivers: Vec<Listener>,
    tail_sampling: Option<(u16, usize)>,
    gateway: Option<GatewaySettings>,
    destinations: Vec<Destination>,
    admin: Option<AdminSettings>,
    state_directory: Option<PathBuf>,
}

struct Listener {
    key: String,
    name: String,
    place: (bool, SocketAddr, Option<PathBuf>),
    /// The contents of the files may change.
    tls: Option<ReceiverTls>,
    max_request_bytes: usize,
    max_connections: usize,
    max_concurrent_streams: u32,
    max_connection_age: Option<Duration>,
}

struct Destination {
    name: String,
    target: FixedTarget,
    queue_bytes: Option<usize>,
    max_concurrent_requests: usize,
    batch: (u64, usize, Duration),
    spool: Option<DestinationSpool>,
}

#[derive(PartialEq)]
enum FixedTarget {
    /// Its transport may be another.
    Otlp,
    File(PathBuf, Option<u64>),
    Debug,
}

impl Fixed {
    pub(super) fn of(settings: &NodeSettings) -> Self {
        let receivers = settings.receivers.iter().enumerate();
        let tail = settings.tail_sampling.as_ref();
        Self {
            role: settings.role,
            memory: settings.memory,
            receivers: receivers.map(|(index, it)| Listener::of(index, it)).collect(),
            tail_sampling: tail.map(|tail| (tail.num_shards, tail.max_memory_bytes)),
            gateway: settings.gateway.clone(),
            destinations: settings.destinations.iter().map(Destination::of).collect(),
            admin: settings.admin.clone(),
            state_directory: settings.state_directory.clone(),
        }
    }

    /// The keys whose values differ from those of a reload, each once.
    pub(super) fn changed_keys(&self, next: &Self) -> Vec<String> {
        let mut keys = Keys::default();
        keys.compare("role", &self.role, &next.role);
        keys.compare("memory", &self.memory, &next.memory);
        match self.receivers.len() == next.receivers.len() {
            true => {
                self.receivers.iter().zip(&next.receivers).for_each(|(a, b)| a.add(b, &mut keys))
            }
            false => keys.add("receivers".to_owned()),
        }
        match (&self.tail_sampling, &next.tail_sampling) {
            (Some((shards, bytes)), Some((next_shards, next_bytes))) => {
                keys.compare("tail_sampling.num_shards", shards, next_shards);
                keys.compare("tail_sampling.max_memory_bytes", bytes, next_bytes);
            }
            (before, after) => keys.compare("tail_sampling", before, after),
        }
        match (&self.gateway, &next.gateway) {
            (Some(before), Some(after)) => keys.add_gateway(before, after),
            (before, after) => keys.compare("gateway", &before.is_some(), &after.is_some()),
        }
        let names = |it: &Self| -> Vec<String> {
            it.destinations.iter().map(|destination| destination.name.clone()).collect()
        };
        match names(self) == names(next) {
            true => {
                let pairs = self.destinations.iter().zip(&next.destinations);
                pairs.for_each(|(before, after)| before.add(after, &mut keys));
            }
            false => keys.add("destinations".to_owned()),
        }
        keys.compare("admin", &self.admin, &next.admin);
        keys.compare("state", &self.state_directory, &next.state_directory);
        keys.into_list()
    }
}

impl Listener {
    fn of(index: usize, settings: &ReceiverSettings) -> Self {
        let key = match settings.is_for_peers {
            true => "gateway.peer_receiver".to_owned(),
            // In a file of the Collector.
            false if settings.name.starts_with("receivers.") => settings.name.clone(),
            false => format!("receivers[{index}]"),
        };
        let (address, socket) = (settings.address, settings.unix_socket.clone());
        Self {
            key,
            name: settings.name.clone(),
            place: (settings.is_for_peers, address, socket),
            tls: settings.tls.clone(),
            max_request_bytes: settings.max_request_bytes,
            max_connections: settings.max_connections,
            max_concurrent_streams: settings.max_concurrent_streams,
            max_connection_age: settings.max_connection_age,
        }
    }

    fn add(&self, next: &Self, keys: &mut Keys) {
        let key = |name: &str| format!("{}.{name}", self.key);
        keys.compare(&key("name"), &self.name, &next.name);
        keys.compare(&key("endpoint"), &self.place, &next.place);
        keys.compare(&key("tls"), &self.tls, &next.tls);
        keys.compare(&key("max_request_mib"), &self.max_request_bytes, &next.max_request_bytes);
        keys.compare(&key("max_connections"), &self.max_connections, &next.max_connections);
        let streams = (&self.max_concurrent_streams, &next.max_concurrent_streams);
        keys.compare(&key("max_concurrent_streams"), streams.0, streams.1);
        keys.compare(
            &key("max_connection_age"),
            &self.max_connection_age,
            &next.max_connection_age,
        );
    }
}

impl Destination {
    fn of(settings: &DestinationSettings) -> Self {
        let target = match &settings.target {
            Target::Otlp(_) => FixedTarget::Otlp,
            Target::File { path, max_bytes } => FixedTarget::File(path.clone(), *max_bytes),
            Target::Debug => FixedTarget::Debug,
        };
        Self {
            name: settings.name.clone(),
            target,
            queue_bytes: settings.queue_bytes,
            max_concurrent_requests: settings.max_concurrent_requests,
            batch: (settings.max_batch_spans, settings.max_batch_bytes, settings.batch_timeout),
            spool: settings.spool.clone(),
        }
    }

    fn add(&self, next: &Self, keys: &mut Keys) {
        let key = |name: &str| format!("destinations[{}].{name}", self.name);
        let kind = match (&self.target, &next.target) {
            (FixedTarget::File(..), FixedTarget::File(..)) => "file",
            _ => "otlp, file or debug",
        };
        keys.compare(&key(kind), &self.target, &next.target);
        keys.compare(&key("queue_mib"), &self.queue_bytes, &next.queue_bytes);
        let requests = (&self.max_concurrent_requests, &next.max_concurrent_requests);
        keys.compare(&key("max_concurrent_requests"), requests.0, requests.1);
        keys.compare(&key("batch"), &self.batch, &next.batch);
        keys.compare(&key("spool"), &self.spool, &next.spool);
    }
}
