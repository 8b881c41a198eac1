//! The counts of one endpoint of an exporter.

use super::component::{Component, ComponentType};
use super::operations::Operations;
use arc_swap::ArcSwap;
use spanwise_ledger::DropReason;
use spanwise_transport::__private::{OpenConnections, open_connections};
use spanwise_transport::Transport;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Spans and operations of one endpoint: those of an exporter with several endpoints have the same component.
#[derive(Debug)]
pub(crate) struct EndpointMetrics {
    pub(crate) component: Component,
    /// The index of the destination.
    pub(crate) destination: usize,
    /// `server.address` and `server.port`; `None` for a sink, which has neither.
    pub(crate) server: Option<(String, Option<u16>)>,
    /// Spans that were passed to the exporter.
    passed: AtomicU64,
    exported: AtomicU64,
    /// Spans that went to the disk instead.
    spooled: AtomicU64,
    /// Of those that were passed, spans that came from the disk.
    replayed: AtomicU64,
    failed: [AtomicU64; DropReason::ALL.len()],
    pub(crate) operations: Operations,
    /// Of the present transport.
    connections: ArcSwap<OpenConnections>,
}

/// The spans of an [`EndpointMetrics`] at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndpointSpans {
    pub(crate) passed: u64,
    pub(crate) exported: u64,
    spooled: u64,
    replayed: u64,
    failed: [u64; DropReason::ALL.len()],
}

impl EndpointMetrics {
    pub(crate) fn new(component: Component, destination: usize, transport: &Transport) -> Self {
        Self {
            component,
            destination,
            server: server(component, transport),
            passed: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            failed: [const { AtomicU64::new(0) }; DropReason::ALL.len()],
            operations: Operations::new(),
            connections: ArcSwap::from_pointee(open_connections(transport)),
        }
    }

    /// Whether requests through `transport` have the same attributes.
    pub(crate) fn is_of(
        &self,
        component: Component,
        destination: usize,
        transport: &Transport,
    ) -> bool {
        (self.component, self.destination) == (component, destination)
            && self.server == server(component, transport)
    }

    /// Requests go through `transport` from now on.
    pub(crate) fn set_transport(&self, transport: &Transport) {
        self.connections.store(Arc::new(open_connections(transport)));
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load().count()
    }

    pub(crate) fn passed(&self, spans: u64) {
        self.passed.fetch_add(spans, Relaxed);
    }

    /// Spans that were on disk are passed to the exporter again.
    pub(crate) fn replayed(&self, spans: u64) {
        // ORDER: after `passed`, of which these are a part; pairs with `spans`.
        self.passed.fetch_add(spans, Relaxed);
        self.replayed.fetch_add(spans, Release);
    }

    /// Spans that were passed to the exporter are on disk.
    pub(crate) fn spooled(&self, spans: u64) {
        // ORDER: as in `exported`.
        self.spooled.fetch_add(spans, Release);
    }

    pub(crate) fn exported(&self, spans: u64) {
        // ORDER: Release, after the spans' `passed`; pairs with `spans`.
        self.exported.fetch_add(spans, Release);
    }

    pub(crate) fn failed(&self, reason: DropReason, spans: u64) {
        if let Some(count) = self.failed.get(reason as usize) {
            // ORDER: as in `exported`.
            count.fetch_add(spans, Release);
        }
    }

    pub(crate) fn spans(&self) -> EndpointSpans {
        // ORDER: outcomes before what was passed, which is then the larger number.
        let exported = self.exported.load(Acquire);
        let mut failed = [0; DropReason::ALL.len()];
        for (spans, count) in failed.iter_mut().zip(&self.failed) {
            *spans = count.load(Acquire);
        }
        let [spooled, replayed] = [&self.spooled, &self.replayed].map(|count| count.load(Acquire));
        let passed = self.passed.load(Relaxed);
        EndpointSpans { passed, exported, spooled, replayed, failed }
    }
}

impl Default for EndpointSpans {
    fn default() -> Self {
        Self { passed: 0, exported: 0, spooled: 0, replayed: 0, failed: [0; DropReason::ALL.len()] }
    }
}

impl EndpointSpans {
    /// Adds those of another endpoint.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.exported += other.exported;
        self.spooled += other.spooled;
        self.replayed += other.replayed;
        self.failed.iter_mut().zip(other.failed).for_each(|(sum, spans)| *sum += spans);
    }

    /// Spans without an outcome.
    pub(crate) fn in_flight(&self) -> u64 {
        let failed: u64 = self.failed.iter().sum();
        self.passed.saturating_sub(self.exported + self.spooled).saturating_sub(failed)
    }

    /// Spans that were passed to the exporter, each once.
    pub(crate) fn processed(&self) -> u64 {
        self.passed.saturating_sub(self.replayed)
    }

    pub(crate) fn failed(&self, reason: DropReason) -> u64 {
        self.failed.get(reason as usize).copied().unwrap_or(0)
    }

    /// The reasons for which spans failed, with their numbers.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.failed).filter(|(_, spans)| *spans > 0)
    }
}

fn server(component: Component, transport: &Transport) -> Option<(String, Option<u16>)> {
    let is_sink = component.kind == ComponentType::SinkSpanExporter;
    if is_sink {
        return None;
    }
    let endpoint = transport.endpoint();
    if let Some(path) = endpoint.unix_path() {
        return Some((path.to_owned(), None));
    }
    let port = endpoint.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let default = if endpoint.is_https() { 443 } else { 80 };
    let address = endpoint.host().trim_start_matches('[').trim_end_matches(']');
    Some((address.to_owned(), Some(port.unwrap_or(default))))
}
