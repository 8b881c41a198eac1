//! Destinations of spans, and their endpoints.

use crate::encoder_bytes::is_sink;
use spanwise_ledger::Ledger;
use spanwise_transport::{FailedAttempt, Ring, RingError, RingVersion, Transport};
use spanwise_worker::{MAX_LINE_BYTES, redact_url, sanitize};
use std::fmt;
use std::sync::Arc;

/// A destination of spans: one endpoint that receives all of them, or several endpoints that share them by
/// trace id.
///
/// An [`Exporter`](crate::Exporter) sends every span to each of its destinations. They share the bytes of the
/// requests, and those whose transports [send the same bodies](Transport::sends_same_bodies) the compressed ones
/// too, unless they are routed by trace id. Each endpoint has its own waiting requests, its own share of the
/// budget, its own requests in flight, and the retries and timeouts of its [`Transport`]; so an endpoint
/// that falls behind delays the others by two seconds at most. Each destination has its own [`Ledger`].
///
/// ```
/// use spanwise_export::{Destination, Exporter};
/// use spanwise_transport::{Outcome, Transport};
///
/// let to_sink = || {
///     let accept = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
///     Transport::builder().with_sink(accept).build()
/// };
/// let archive = Destination::new(to_sink()?).with_name("archive");
/// let archived = archive.ledger().clone();
/// let exporter = Exporter::builder(to_sink()?).with_destination(archive).build()?;
/// exporter.shutdown_timeout(std::time::Duration::from_secs(5))?;
/// println!("{}", archived.snapshot());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent before an exporter has the destination"]
pub struct Destination {
    name: Option<Arc<str>>,
    pub(crate) transports: Vec<Transport>,
    /// The ring whose endpoints are `transports`; `None`: there is one, which receives all spans.
    pub(crate) ring: Option<Ring>,
    ledger: Ledger,
}

impl Destination {
    /// A destination whose spans are all sent through `transport`.
    pub fn new(transport: Transport) -> Self {
        Self { name: None, transports: vec![transport], ring: None, ledger: Ledger::new() }
    }

    /// A destination whose spans are routed by trace id: all spans of a trace go to the same endpoint, which
    /// is the one that the `load_balancing` exporter of the OpenTelemetry Collector chooses for endpoints of
    /// these names, by a ring of this version.
    ///
    /// A name is `host:port`, as in the configuration of that exporter. A span whose endpoint does not accept
    /// it is sent to no other endpoint.
    ///
    /// # Errors
    /// The names make no [`Ring`].
    pub fn routed_by_trace_id<S: Into<String>>(
        version: RingVersion,
        endpoints: impl IntoIterator<Item = (S, Transport)>,
    ) -> Result<Self, RingError> {
        let (names, transports): (Vec<String>, Vec<_>) =
            endpoints.into_iter().map(|(name, transport)| (name.into(), transport)).unzip();
        let ring = Some(Ring::new(version, names)?);
        Ok(Self { name: None, transports, ring, ledger: Ledger::new() })
    }

    /// Sets the name, which events have, on one line. Default: host and port of the endpoint, of up to three; the
    /// number of more; the name of a sink.
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the ledger that accounts for the destination's spans. Default: a new one.
    ///
    /// It counts a span as created when the exporter drains it from its queue, and then exactly one outcome
    /// at this destination. Spans that the queue refused or dropped are in the ledger of the exporter alone,
    /// which is that of its first destination.
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Sets an observer of each failed attempt to its endpoints, beside those of the transports: see
    /// [`Transport::with_attempt_observer`].
    pub fn with_attempt_observer(
        mut self,
        observer: impl Fn(&FailedAttempt) + Send + Sync + 'static,
    ) -> Self {
        let observer = Arc::new(observer);
        let observed = |transport: Transport| {
            let observer = observer.clone();
            transport.with_attempt_observer(move |failed| observer(failed))
        };
        self.transports = self.transports.into_iter().map(observed).collect();
        self
    }

    /// Whether its spans are [routed](Self::routed_by_trace_id) over several endpoints.
    pub fn is_routed(&self) -> bool {
        self.ring.is_some()
    }

    /// The ledger that accounts for the destination's spans.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The endpoint of each of its transports, as [`Transport::destination`] names it: one, unless the spans are
    /// [routed](Self::routed_by_trace_id).
    pub fn endpoints(&self) -> impl Iterator<Item = String> {
        self.transports.iter().map(Transport::destination)
    }

    #[doc(hidden)] // For a provider that compares two configurations.
    pub fn __transports(&self) -> &[Transport] {
        &self.transports
    }

    /// The name.
    pub fn name(&self) -> Arc<str> {
        let default = || match &self.ring {
            Some(ring) => match ring.endpoints() {
                few if few.len() <= 3 => {
                    few.iter().map(|name| redact_url(name)).collect::<Vec<_>>().join(", ")
                }
                many => format!("{} endpoints", many.len()),
            },
            None => self.transports.first().map_or_else(String::new, |transport| {
                match is_sink(transport) {
                    true => transport.destination(),
                    false => transport.endpoint().authority().to_owned(),
                }
            }),
        };
        let name = self.name.as_deref().map_or_else(default, str::to_owned);
        sanitize(&name, MAX_LINE_BYTES).into()
    }
}

/// A destination with one endpoint.
impl From<Transport> for Destination {
    fn from(transport: Transport) -> Self {
        Self::new(transport)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("name", &self.name())
            .field("transports", &self.transports)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
