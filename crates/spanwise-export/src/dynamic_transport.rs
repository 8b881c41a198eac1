//! The transport of the first destination, which can be replaced while the exporter runs.

use crate::batch_config::BatchConfig;
use crate::encoder_bytes::{check_copy_bound, encoder_bytes};
use crate::error::BuildError;
use crate::machine::{Copies, Routes};
use crate::settings::{Division, Reserve};
use spanwise_transport::Transport;
use spanwise_worker::catch_panic;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The transport of the first destination of a running exporter. Clones share it.
///
/// [`set`](Self::set) replaces it without the loss of a span: a request that exists goes to the earlier transport
/// until it ends, each later one to the new transport. The earlier transport is dropped after its last request. A
/// flush and a shutdown wait for the requests of both.
///
/// The exporter's thread takes the new transport over at its next turn. It retains at most
/// [`MAX_RETIRED`](Self::MAX_RETIRED) earlier transports: a further one waits until the requests of one of those
/// have ended, at the latest with their timeout, and a later call replaces the one that waits. No call here waits
/// for the thread.
///
/// ```
/// use spanwise_export::Exporter;
/// use spanwise_transport::Transport;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let exporter = Exporter::builder(Transport::builder().build()?).build()?;
///     let other = Transport::builder().with_endpoint("http://collector-2:4318/v1/traces".parse()?);
///     let prepared = exporter.transport().prepare(other.build()?, &exporter.batching().load())?;
///     exporter.transport().set(prepared);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct DynamicTransport {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` once the thread has ended.
    state: Mutex<Option<State>>,
    division: BuiltDivision,
}

struct State {
    routes: Routes,
    /// Of each endpoint: the newest ones.
    transports: Vec<Transport>,
    /// The one that the thread has not taken over.
    next: Option<PreparedTransport>,
}

/// The division of the budget that the exporter was built with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuiltDivision {
    /// Bytes of the budget of spans and requests.
    pub(crate) limit: usize,
    /// Bytes of the encoders of all endpoints, beside that budget.
    pub(crate) encoders: usize,
    /// Those of the endpoints after the first.
    pub(crate) other_encoders: usize,
    /// The most bytes of the resource.
    pub(crate) resource: usize,
    pub(crate) chunk_bytes: usize,
}

/// A transport that the budget has memory for: see [`DynamicTransport::prepare`].
#[must_use = "it has no effect before `set`"]
pub struct PreparedTransport {
    pub(crate) transport: Transport,
    pub(crate) routes: Routes,
    pub(crate) request_bytes: usize,
    pub(crate) reserve: Reserve,
    /// Bytes of its encoder beyond those that the exporter was built with.
    pub(crate) encoder_bytes: usize,
    max_span_bytes: usize,
}

impl PreparedTransport {
    /// Bytes of the largest span that can be sent, without its name and status message.
    pub fn max_span_bytes(&self) -> usize {
        self.max_span_bytes
    }

    /// The transport.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl DynamicTransport {
    /// The number of earlier transports that an exporter retains for their requests.
    pub const MAX_RETIRED: usize = 4;

    pub(crate) fn new(routes: Routes, transports: Vec<Transport>, division: BuiltDivision) -> Self {
        let state = Mutex::new(Some(State { routes, transports, next: None }));
        Self { shared: Arc::new(Shared { state, division }) }
    }

    /// Divides the budget of the exporter for `transport` and the settings `batch`. Changes nothing.
    ///
    /// # Errors
    /// The budget, which was divided for chunks and endpoints when the exporter was built, is too small for the
    /// copies that this transport makes; or the first destination has several endpoints.
    pub fn prepare(
        &self,
        transport: Transport,
        batch: &BatchConfig,
    ) -> Result<PreparedTransport, BuildError> {
        // A sink's own code runs here: without the lock.
        check_copy_bound(&transport)?;
        let (copies, encoder) = (Copies::of(&transport), encoder_bytes(&transport));
        let routes = match &*self.lock() {
            Some(State { routes, transports, .. }) => {
                if routes.destinations().first().is_some_and(|first| first.ring.is_some()) {
                    return Err(out_of_range(
                        "a destination that is routed by trace id".to_owned(),
                        "a destination with one endpoint".to_owned(),
                    ));
                }
                let mut transports = transports.clone();
                transports.first_mut().into_iter().for_each(|first| *first = transport.clone());
                routes.with_first(copies, &transports)
            }
            None => {
                return Err(out_of_range(
                    "a transport after the end of the exporter".to_owned(),
                    "a running exporter".to_owned(),
                ));
            }
        };
        let built = self.shared.division;
        let encoder_bytes =
            (built.other_encoders.saturating_add(encoder)).saturating_sub(built.encoders);
        let limit = built.limit.saturating_sub(encoder_bytes);
        let division = Division::new(limit, &routes, built.resource, batch);
        let fits = |division: &Division| {
            // Requests of several endpoints are made of whole chunks.
            routes.lanes() == 1 || division.buffer.chunk_bytes >= built.chunk_bytes
        };
        let Some(division) = division.filter(fits).filter(|_| routes.copies() <= MAX_COPIES) else {
            let value = format!("{} copies of a request", routes.copies());
            let accepted = format!(
                "a number that the budget of {} bytes has memory for: build the exporter with a larger one",
                built.limit
            );
            return Err(out_of_range(value, accepted));
        };
        let Division { request_bytes, reserve, .. } = division;
        let max_span_bytes = division.max_span_bytes(limit, batch.max_request_bytes);
        Ok(PreparedTransport {
            transport,
            routes,
            request_bytes,
            reserve,
            encoder_bytes,
            max_span_bytes,
        })
    }

    /// Replaces the transport, unless the exporter's thread has ended.
    pub fn set(&self, transport: PreparedTransport) {
        let replaced = match &mut *self.lock() {
            Some(State { routes, transports, next }) => {
                *routes = transport.routes.clone();
                let first = transports.first_mut();
                let before =
                    first.map(|first| std::mem::replace(first, transport.transport.clone()));
                (before, next.replace(transport))
            }
            None => (None, Some(transport)),
        };
        // Outside of the lock: the drop of a sink is the user's code.
        let _caught = catch_panic(|| drop(replaced));
    }

    /// The newest transport of the first destination; `None` once the exporter's thread has ended.
    pub fn load(&self) -> Option<Transport> {
        self.lock().as_ref().and_then(|state| state.transports.first().cloned())
    }

    /// The transport of each endpoint, in the order of [`PreparedExporter::transports`](crate::PreparedExporter::transports),
    /// with the newest one of the first destination; empty once the exporter's thread has ended.
    pub fn load_all(&self) -> Vec<Transport> {
        self.lock().as_ref().map(|state| state.transports.clone()).unwrap_or_default()
    }

    /// Takes the next transport, if there is one that `is_taken` accepts.
    pub(crate) fn take_next(
        &self,
        is_taken: impl FnOnce(&PreparedTransport) -> bool,
    ) -> Option<PreparedTransport> {
        self.lock().as_mut()?.next.take_if(|next| is_taken(next))
    }

    /// Drops the transports, because the exporter's thread ends.
    pub(crate) fn close(&self) {
        let state = self.lock().take();
        drop(state);
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn out_of_range(value: String, accepted: String) -> BuildError {
    BuildError::OutOfRange { setting: "transport", value, accepted }
}

impl fmt::Debug for DynamicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicTransport").field(&self.load()).finish()
    }
}

impl fmt::Debug for PreparedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedTransport").field(&self.transport).finish()
    }
}

/// The maximum number of copies of a span that a queue charges for in advance.
pub(crate) const MAX_COPIES: usize = 64;
