//! Builds an exporter.

use crate::batch_config::{BatchConfig, number};
use crate::batch_overrides::BatchOverrides;
use crate::destination::Destination;
use crate::dynamic_batch_config::DynamicBatchConfig;
use crate::dynamic_transport::{BuiltDivision, DynamicTransport, MAX_COPIES};
use crate::encoder_bytes::{check_copy_bound, encoder_bytes};
use crate::error::BuildError;
use crate::exporter::Exporter;
use crate::hold_back::HoldBack;
use crate::machine::Routes;
use crate::metrics::ExportMetrics;
use crate::observer::Observer;
use crate::on_full::OnFull;
use crate::prepared::{PreparedExporter, ThreadStart};
use crate::queue::SpanQueue;
use crate::resource::SharedResource;
use crate::scopes::ScopeTable;
use crate::settings::{Division, Settings};
use crate::spool::RequestSpool;
use crate::tail_sampling::TailSampling;
use spanwise_batch::{BatchPreset, BatchSize, Budget, ShardedBuffer};
use spanwise_ledger::Ledger;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Configures an [`Exporter`]. Every setting has a default.
#[must_use]
pub struct ExporterBuilder {
    /// At least one.
    destinations: Vec<Destination>,
    resource: Vec<u8>,
    max_resource_bytes: usize,
    budget_bytes: usize,
    slots: Option<usize>,
    batch: BatchOverrides,
    hold_policy: Option<Box<dyn HoldBack>>,
    tail: Option<TailSampling>,
    spool: Option<Box<dyn RequestSpool>>,
    on_full: OnFull,
    shutdown_timeout: Duration,
    ledger: Ledger,
    observer: Box<dyn Observer>,
    on_thread_start: ThreadStart,
}

impl Exporter {
    /// An exporter that sends to `destination`: a [`Transport`](spanwise_transport::Transport) to an OTLP
    /// receiver or to any sink, or a [`Destination`].
    pub fn builder(destination: impl Into<Destination>) -> ExporterBuilder {
        ExporterBuilder::new(destination.into())
    }
}

impl ExporterBuilder {
    fn new(destination: Destination) -> Self {
        let ledger = destination.ledger().clone();
        Self {
            destinations: vec![destination],
            resource: Vec::new(),
            max_resource_bytes: 0,
            budget_bytes: 16 << 20,
            slots: None,
            batch: BatchOverrides::default(),
            hold_policy: None,
            tail: None,
            spool: None,
            on_full: OnFull::default(),
            shutdown_timeout: Duration::from_secs(5),
            ledger,
            observer: Box::new(()),
            on_thread_start: Box::new(|| Box::new(())),
        }
    }

    /// Adds a destination, which gets every span too: a [`Transport`](spanwise_transport::Transport) or a [`Destination`].
    ///
    /// All destinations share the bytes of a request, and each endpoint has its own waiting requests and its
    /// own requests in flight, retries and timeouts. The exporter makes a request as soon as one of the
    /// endpoints can take it; one that is slower holds it back within its share, an equal part of three
    /// eighths of the budget. Beyond it, spans wait while the endpoint is busy and the queue has space: for at
    /// most 500 ms without the end of a request, and 2 s in all until it has caught up. After that its ledger
    /// counts them as `queue_bytes`, so a slow or dead endpoint delays no other again. A flush waits for all of
    /// them.
    pub fn with_destination(mut self, destination: impl Into<Destination>) -> Self {
        self.destinations.push(destination.into());
        self
    }

    /// The resource, as [`encode_resource`](spanwise_wire::write::encode_resource) wrote it, at most
    /// [`max_resource_bytes`](Self::max_resource_bytes). Default: none.
    pub fn with_resource(mut self, encoded: impl Into<Vec<u8>>) -> Self {
        self.resource = encoded.into();
        self
    }

    /// The maximum bytes of a resource that [`Exporter::set_resource`] will set: space for them is reserved. At
    /// most [`max_resource_bytes`](Self::max_resource_bytes). Default: the bytes of
    /// [`with_resource`](Self::with_resource).
    pub fn with_max_resource_bytes(mut self, bytes: usize) -> Self {
        self.max_resource_bytes = bytes;
        self
    }

    /// Bytes that finished spans may take until they have an outcome, requests included: 1 MiB to
    /// 16 GiB, default 16 MiB. With gzip, 384 KiB of it are the encoder's. [`build`](Self::build) names the
    /// smallest one for the endpoints: it grows with their number, and with JSON and compression.
    pub fn with_budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// Settings of batching by name: batch size, delay and queue size. A method that sets one of them precedes
    /// the preset, in whatever order they are called. The timeout of [`BatchPreset::Specification`] is a
    /// setting of the transport, which this method leaves as it is.
    pub fn with_batch_preset(mut self, preset: BatchPreset) -> Self {
        self.batch.preset = Some(preset);
        self
    }

    /// The maximum bytes of a request: 64 KiB to 3.75 MiB, which is the default. A single span that is
    /// larger is sent alone.
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.batch.max_request_bytes = Some(bytes);
        self
    }

    /// The maximum number of spans of a request: 1 to 1,048,576, at most the queue size; default 8,192. With a
    /// smaller number, a request also leaves once that number of spans waits, or half of the queue: at once
    /// when they fill chunks of one thread, within 100 ms when they are spread over threads.
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.batch.max_export_batch_size = Some(spans);
        self
    }

    /// The algorithm that determines the size of batches, within the [maximum number of
    /// spans](Self::with_max_export_batch_size) and the bytes of a request. Default none: the size is fixed.
    pub fn with_batch_size(mut self, size: BatchSize) -> Self {
        self.batch.batch_size = Some(size);
        self
    }

    /// The longest time that a span waits before it is sent: 1 ms to 30 days, default 1 s.
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.batch.scheduled_delay = Some(delay);
        self
    }

    /// The maximum number of spans that may wait for a request, beside the byte budget: 16 to 16,777,216. Default
    /// none: only bytes count.
    pub fn with_max_queue_size(mut self, spans: usize) -> Self {
        self.batch.max_queue_size = Some(spans);
        self
    }

    /// The number of slots of the sharded buffer, which by default depends on the cores. For the
    /// simulator of this repository, whose seeds give the same trace on every machine.
    #[doc(hidden)]
    pub fn with_slots(mut self, slots: usize) -> Self {
        self.slots = Some(slots);
        self
    }

    /// The maximum number of requests in flight at once: 1 to 64, default 4.
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.batch.max_in_flight = Some(requests);
        self
    }

    /// Holds each drained chunk back for this time before it is framed: up to 30 days, default 0. A span
    /// then waits for the [delay](Self::with_scheduled_delay) and this time. [`HoldBack`] describes when the
    /// exporter releases chunks earlier.
    pub fn with_hold_back(mut self, time: Duration) -> Self {
        self.batch.hold_back = Some(time);
        self
    }

    /// Decides for each drained chunk how long it is held back, instead of
    /// [`with_hold_back`](Self::with_hold_back), which has no effect then.
    pub fn with_hold_policy(mut self, policy: impl HoldBack) -> Self {
        self.hold_policy = Some(Box::new(policy));
        self
    }

    /// Decides about whole local traces which of them are exported; see [`TailSampling`]. Default: all.
    pub fn with_tail_sampling(mut self, tail: TailSampling) -> Self {
        self.tail = Some(tail);
        self
    }

    /// Stores requests in `spool` while the receiver of the first destination does not accept them: those that end with a retryable
    /// failure, and those that wait while memory runs short. They are sent again in order once it does; [`RequestSpool`] describes the
    /// commands, and [`build`](Self::build) rejects it for a first destination that is routed by trace id. Requests to further
    /// destinations are not stored. Default: none.
    pub fn with_spool(mut self, spool: impl RequestSpool) -> Self {
        self.spool = Some(Box::new(spool));
        self
    }

    /// Whether a full queue drops and refuses spans, or a push waits, or the queue sheds whole traces before
    /// it is full. Default [`OnFull::Drop`].
    pub fn with_on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// The timeout of the shutdown that the drop of an exporter starts. Default 5 s.
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The ledger that accounts for the spans, and for their outcomes at the first destination. Default: a
    /// new one.
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Receives the exporter's events. Default: none.
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Runs `hook` on the exporter's thread before anything else, and drops what it returns at the
    /// end of the thread.
    pub fn with_on_thread_start<G: 'static>(
        mut self,
        hook: impl FnOnce() -> G + Send + 'static,
    ) -> Self {
        self.on_thread_start = Box::new(|| Box::new(hook()));
        self
    }

    /// Bytes of the budget that spans and requests have: all but the encoder's, of which the exporter's
    /// thread has one.
    pub fn span_budget_bytes(&self) -> usize {
        self.budget_bytes.saturating_sub(self.encoder_bytes())
    }

    fn encoder_bytes(&self) -> usize {
        let transports = self.destinations.iter().flat_map(|it| &it.transports);
        transports.map(encoder_bytes).fold(0, usize::saturating_add)
    }

    /// The error of a budget that is too small for these `routes`.
    #[cold]
    fn too_small(
        budget: usize,
        encoders: usize,
        routes: &Routes,
        resource: usize,
        batch: &BatchConfig,
    ) -> BuildError {
        let endpoints = match routes.lanes() {
            1 => "this endpoint".to_owned(),
            lanes => format!("{lanes} endpoints"),
        };
        let Some(least) = Division::least_budget(routes, resource, batch) else {
            let accepted = "as many as a budget of 16 GiB is enough for".to_owned();
            return BuildError::OutOfRange {
                setting: "with_destination",
                value: endpoints,
                accepted,
            };
        };
        let of_them = match encoders {
            0 => String::new(),
            bytes => format!(", of which compression takes {bytes}"),
        };
        BuildError::OutOfRange {
            setting: "with_budget_bytes",
            value: budget.to_string(),
            accepted: format!(
                "{} bytes or more for {endpoints}{of_them}",
                least.saturating_add(encoders).max(MIN_BUDGET),
            ),
        }
    }

    /// The settings of batching that the exporter will have.
    pub fn batch_config(&self) -> BatchConfig {
        self.batch.resolve()
    }

    /// The maximum bytes of an encoded resource, which every request contains.
    pub fn max_resource_bytes(&self) -> usize {
        (self.span_budget_bytes() / 16).min(self.batch.resolve().max_request_bytes / 8)
    }

    /// Checks the settings and starts the exporter's thread.
    ///
    /// # Errors
    /// A setting is out of its range, the budget is too small for the endpoints or for a span of 16 KiB, or the
    /// thread cannot be started.
    pub fn build(self) -> Result<Exporter, BuildError> {
        let (queue, prepared) = self.prepare()?;
        prepared.spawn(Arc::new(queue))
    }

    /// Checks the settings and makes the queue and an exporter that is not started, for a caller that
    /// keeps the queue in its own shared state, or has no thread.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn prepare(self) -> Result<(SpanQueue, PreparedExporter), BuildError> {
        let budget = Budget::new(self.span_budget_bytes());
        let encoders = self.encoder_bytes();
        number("with_budget_bytes", self.budget_bytes, MIN_BUDGET as u64..=16 << 30, "bytes")?;
        let all = self.destinations.iter().flat_map(|destination| &destination.transports);
        all.clone().try_for_each(check_copy_bound)?;
        let config = self.batch.resolve();
        // Without the resource first: a request size out of range is not an error of the resource.
        config.check(0)?;
        let most = 0..=self.max_resource_bytes() as u64;
        let other_encoders = {
            let first = self.destinations.first().and_then(|it| it.transports.first());
            encoders.saturating_sub(first.map_or(0, encoder_bytes))
        };
        let (routes, transports) = Routes::new(self.destinations, self.ledger.clone());
        let divide = |resource: usize, batch: &BatchConfig| {
            let division = Division::new(budget.limit(), &routes, resource, batch);
            division.ok_or_else(|| {
                Self::too_small(self.budget_bytes, encoders, &routes, resource, batch)
            })
        };
        if self.spool.is_some() && routes.is_first_routed() {
            return Err(BuildError::OutOfRange {
                setting: "with_spool",
                value: "a spool for a destination that is routed by trace id".to_owned(),
                accepted: "a first destination with one endpoint".to_owned(),
            });
        }
        if routes.copies() > MAX_COPIES {
            return Err(BuildError::OutOfRange {
                setting: "with_destination",
                value: format!("{} different encodings of a span at once", routes.copies()),
                accepted: format!(
                    "at most {MAX_COPIES}: JSON counts as 6, its compression as 6 more"
                ),
            });
        }
        // Nor is a budget that is too small without one.
        let _enough = divide(0, &config)?;
        number("with_resource", self.resource.len(), most.clone(), "bytes")?;
        number("with_max_resource_bytes", self.max_resource_bytes, most, "bytes")?;
        let resource = SharedResource::new(self.resource, self.max_resource_bytes);
        let batching = DynamicBatchConfig::new(config, resource.max_bytes())?;
        let batch = batching.load();
        let mut division = divide(resource.max_bytes(), &batch)?;
        division.buffer.slots = self.slots.unwrap_or(division.buffer.slots);
        let Division { buffer, request_bytes, reserve, lane_share } = division;
        budget.set_reserve(reserve.flowing);
        let built = BuiltDivision {
            limit: budget.limit(),
            encoders,
            other_encoders,
            resource: resource.max_bytes(),
            chunk_bytes: buffer.chunk_bytes,
        };
        let metrics = ExportMetrics::new(Some(self.budget_bytes));
        self.spool.iter().for_each(|spool| metrics.set_spool(&**spool));
        let destinations = routes.destinations().iter().enumerate();
        let endpoints = destinations.flat_map(|(index, route)| {
            let transports = transports.get(route.lanes.clone()).unwrap_or_default();
            metrics.add_destination(index, transports)
        });
        let endpoints = endpoints.collect();
        let transport = DynamicTransport::new(routes.clone(), transports.clone(), built);
        let prepared = PreparedExporter {
            max_span_bytes: division.max_span_bytes(budget.limit(), batch.max_request_bytes),
            settings: Settings {
                batch,
                hold_back: self.hold_policy,
                tail: self.tail,
                has_spool: self.spool.is_some(),
                request_bytes,
                routes,
                lane_share,
                reserve,
                resource: resource.clone(),
                metrics: metrics.clone(),
                endpoints,
            },
            batching,
            resource,
            scopes: ScopeTable::new(budget.limit() / 16),
            transports,
            transport,
            shutdown_timeout: self.shutdown_timeout,
            observer: self.observer,
            spool: self.spool,
            on_thread_start: self.on_thread_start,
        };
        let buffer = ShardedBuffer::new(buffer, budget);
        let queue = SpanQueue::new(buffer, self.ledger, self.on_full).with_metrics(metrics);
        Ok((queue, prepared))
    }
}

impl fmt::Debug for ExporterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterBuilder")
            .field("destinations", &self.destinations)
            .field("budget_bytes", &self.budget_bytes)
            .field("batch", &self.batch)
            .field("on_full", &self.on_full)
            .finish_non_exhaustive()
    }
}

/// Bytes of the smallest budget.
const MIN_BUDGET: usize = 1 << 20;
