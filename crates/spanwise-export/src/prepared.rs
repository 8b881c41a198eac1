//! An exporter that is not started.

use crate::dynamic_batch_config::DynamicBatchConfig;
use crate::dynamic_transport::DynamicTransport;
use crate::error::BuildError;
use crate::exporter::{Exporter, ExporterState};
use crate::inbox::{Inbox, InboxGuard};
use crate::machine::ExportMachine;
use crate::observer::Observer;
use crate::queue::SpanQueue;
use crate::resource::SharedResource;
use crate::scopes::ScopeTable;
use crate::settings::Settings;
use crate::spool::RequestSpool;
use crate::thread::{ExportThread, SharedQueue};
use spanwise_ledger::Ledger;
use spanwise_transport::Transport;
use spanwise_worker::Worker;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) type ThreadStart = Box<dyn FnOnce() -> Box<dyn Any> + Send>;

/// An exporter that is not started.
#[must_use = "nothing is exported before `spawn`"]
pub struct PreparedExporter {
    pub(crate) settings: Settings,
    pub(crate) batching: DynamicBatchConfig,
    pub(crate) resource: SharedResource,
    pub(crate) max_span_bytes: usize,
    pub(crate) scopes: ScopeTable,
    pub(crate) transports: Vec<Transport>,
    pub(crate) transport: DynamicTransport,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) observer: Box<dyn Observer>,
    pub(crate) spool: Option<Box<dyn RequestSpool>>,
    pub(crate) on_thread_start: ThreadStart,
}

impl PreparedExporter {
    /// The instrumentation scopes of the spans.
    pub fn scopes(&self) -> &ScopeTable {
        &self.scopes
    }

    /// Bytes of the largest span that can be sent, without its name and status message.
    pub fn max_span_bytes(&self) -> usize {
        self.max_span_bytes
    }

    /// The settings of batching, which can be replaced once the exporter runs.
    pub fn batching(&self) -> &DynamicBatchConfig {
        &self.batching
    }

    /// The transport of the first destination, which can be replaced once the exporter runs.
    pub fn transport(&self) -> &DynamicTransport {
        &self.transport
    }

    /// Name and ledger of each destination, as [`Exporter::destinations`].
    pub fn destinations(&self) -> impl Iterator<Item = (&str, &Ledger)> {
        let routes = self.settings.routes.destinations().iter();
        routes.map(|route| (&*route.name, &route.ledger))
    }

    /// The transport of each endpoint: those of the first destination, then those of the others in their
    /// order.
    pub fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// Receives the exporter's events, as [`ExporterBuilder::with_observer`](crate::ExporterBuilder::with_observer).
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Stores requests in `spool`, as [`ExporterBuilder::with_spool`](crate::ExporterBuilder::with_spool), for a caller that starts the
    /// spool once every setting is checked. A first destination that is routed by trace id has none.
    pub fn with_spool(mut self, spool: impl RequestSpool) -> Self {
        if !self.settings.routes.is_first_routed() {
            self.settings.has_spool = true;
            self.settings.metrics.set_spool(&spool);
            self.spool = Some(Box::new(spool));
        }
        self
    }

    /// Starts the exporter's thread, which drains the queue that was made with this exporter, alone
    /// or as a part of `queue`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn<Q>(self, queue: Arc<Q>) -> Result<Exporter, BuildError>
    where
        Q: AsRef<SpanQueue> + Send + Sync + 'static,
    {
        let queue: SharedQueue = queue;
        let inbox = Arc::new(Inbox::open());
        let destinations = self.settings.routes.names_and_ledgers();
        let scopes = self.scopes;
        let metrics = self.settings.metrics.clone();
        let machine =
            ExportMachine::new(self.settings, (*queue).as_ref(), scopes.clone(), Instant::now());
        let thread = ExportThread::new(
            queue.clone(),
            scopes.clone(),
            InboxGuard(inbox.clone()),
            (machine, self.transports),
            self.observer,
        )
        .with_batching(self.batching.clone())
        .with_metrics(metrics)
        .with_transport(self.transport.clone())
        .with_spool(self.spool);
        let worker = Worker::builder("spanwise")
            .with_on_thread_start(self.on_thread_start)
            .spawn(move |notified| thread.run(notified))
            .map_err(BuildError::Worker)?;
        (*queue).as_ref().set_notifier(worker.notifier());
        let shared = ExporterState {
            queue,
            scopes,
            resource: self.resource,
            inbox,
            batching: self.batching,
            transport: self.transport,
            destinations,
        };
        Ok(Exporter::new(shared, worker, self.shutdown_timeout))
    }

    /// The state machine without a thread, for a simulator or an event loop of the caller's. `queue`
    /// is the queue that was made with this exporter.
    pub fn into_machine(self, queue: &SpanQueue, now: Instant) -> ExportMachine {
        ExportMachine::new(self.settings, queue, self.scopes, now)
    }
}

impl fmt::Debug for PreparedExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedExporter")
            .field("transports", &self.transports)
            .field("max_span_bytes", &self.max_span_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_transport::Outcome;

    #[test]
    fn a_queue_notifies_the_thread_that_exports_it() {
        let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        let transport = Transport::builder().with_sink(sink).build().unwrap();
        let (queue, prepared) = Exporter::builder(transport).prepare().unwrap();
        let queue = Arc::new(Owner(queue));
        assert!(!queue.0.has_notifier());
        let _exporter = prepared.spawn(queue.clone()).unwrap();
        assert!(queue.0.has_notifier());
    }

    struct Owner(SpanQueue);

    impl AsRef<SpanQueue> for Owner {
        fn as_ref(&self) -> &SpanQueue {
            &self.0
        }
    }
}
