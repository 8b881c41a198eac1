//! The settings that only a restart changes.

use crate::settings::{
    DestinationSettings, DestinationSpool, MemoryLimit, NodeSettings, ReceiverSettings,
    ReceiverTls, Role, Target,
};
use crate::start_error::ReloadError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings that only a restart changes.
#[derive(PartialEq)]
pub(super) struct Fixed {
    role: Role,
    memory: MemoryLimit,
    receivers: Vec<Listener>,
    has_tail_sampling: bool,
    /// Without secrets, as `Debug` formats it.
    gateway: Option<String>,
    destinations: Vec<Destination>,
    admin: Option<SocketAddr>,
    state_directory: Option<PathBuf>,
}

#[derive(PartialEq)]
struct Listener {
    is_for_peers: bool,
    address: SocketAddr,
    unix_socket: Option<PathBuf>,
    tls: Option<ReceiverTls>,
    limits: (usize, usize, u32),
}

#[derive(PartialEq)]
struct Destination {
    name: String,
    /// Of anything but an OTLP receiver.
    target: Option<String>,
    queue_bytes: Option<usize>,
    max_concurrent_requests: usize,
    batch: (u64, usize, Duration),
    spool: Option<DestinationSpool>,
}

impl Fixed {
    pub(super) fn of(settings: &NodeSettings) -> Self {
        Self {
            role: settings.role,
            memory: settings.memory,
            receivers: settings.receivers.iter().map(Listener::of).collect(),
            has_tail_sampling: settings.tail_sampling.is_some(),
            gateway: settings.gateway.as_ref().map(|gateway| format!("{gateway:?}")),
            destinations: settings.destinations.iter().map(Destination::of).collect(),
            admin: settings.admin,
            state_directory: settings.state_directory.clone(),
        }
    }

    /// Compares these settings with those of a reload.
    ///
    /// # Errors
    /// The key of the first difference.
    pub(super) fn check(&self, next: &Self) -> Result<(), ReloadError> {
        let differences = [
            ("role", self.role != next.role),
            ("memory", self.memory != next.memory),
            ("receivers", self.receivers != next.receivers),
            ("tail_sampling", self.has_tail_sampling != next.has_tail_sampling),
            ("gateway", self.gateway != next.gateway),
            ("destinations", self.destinations != next.destinations),
            ("admin", self.admin != next.admin),
            ("state", self.state_directory != next.state_directory),
        ];
        match differences.into_iter().find(|(_, is_different)| *is_different) {
            Some((key, _)) => Err(ReloadError::NeedsRestart { key }),
            None => Ok(()),
        }
    }
}

impl Listener {
    fn of(settings: &ReceiverSettings) -> Self {
        Self {
            is_for_peers: settings.is_for_peers,
            address: settings.address,
            unix_socket: settings.unix_socket.clone(),
            tls: settings.tls.clone(),
            limits: (
                settings.max_request_bytes,
                settings.max_connections,
                settings.max_concurrent_streams,
            ),
        }
    }
}

impl Destination {
    fn of(settings: &DestinationSettings) -> Self {
        let target = match &settings.target {
            Target::Otlp(_) => None,
            other => Some(format!("{other:?}")),
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
}
