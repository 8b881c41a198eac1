//! A receiver that the Collector, or Spanwise, sends to.

use super::route::{Route, Security};
use crate::peers::{Certificates, Request, Sent, compare, decoded, spans_of, wait_until};
use spanwise_receiver::{Answer, Export, Receiver, ReceiverBuilder};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A receiver and its exports.
pub(super) struct Target {
    route: Route,
    receiver: Receiver,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Target {
    /// Starts a receiver on a port, with the security of the route.
    ///
    /// # Errors
    /// The receiver does not start.
    pub(super) fn start(route: Route, certificates: &Certificates) -> Result<Self, String> {
        Self::from_builder(route, secured(Receiver::builder(), route.security, certificates)?)
    }

    /// Starts a receiver on a Unix socket.
    ///
    /// # Errors
    /// The receiver does not start.
    pub(super) fn on_socket(route: Route, socket: &Path) -> Result<Self, String> {
        Self::from_builder(route, Receiver::builder().with_unix_socket(socket))
    }

    fn from_builder(route: Route, builder: ReceiverBuilder) -> Result<Self, String> {
        let exports = Arc::new(Mutex::new(Vec::new()));
        let stored = exports.clone();
        let builder = builder.with_handler(move |export| {
            stored.lock().unwrap_or_else(PoisonError::into_inner).push(export);
            Answer::Accept
        });
        let receiver = builder.start().map_err(|error| error.to_string())?;
        Ok(Self { route, receiver, exports })
    }

    pub(super) fn port(&self) -> u16 {
        self.receiver.address().port()
    }

    /// Waits until this number of spans has arrived at all targets, for a time.
    pub(super) fn wait<'a>(targets: impl Iterator<Item = &'a Self> + Clone, spans: usize) {
        wait_until(PATIENCE, || targets.clone().all(|target| target.has(spans)));
    }

    fn has(&self, spans: usize) -> bool {
        self.exports().iter().map(|export| export.spans as usize).sum::<usize>() >= spans
    }

    fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that the exports came by the route that their name states, with all spans.
    ///
    /// # Errors
    /// The first difference.
    pub(super) fn check(self, sent: &Sent) -> Result<String, String> {
        let mut received = Request::default();
        for export in self.exports() {
            self.check_headers(&export)?;
            received.resource_spans.extend(decoded(&export.body)?.resource_spans);
        }
        let spans = spans_of(&received);
        if spans != sent.spans {
            let stats = self.receiver.stats();
            return Err(format!("{spans} of {} spans arrived; {stats:?}", sent.spans));
        }
        compare(&received, &sent.expected)?;
        Ok(format!("{spans} spans"))
    }

    fn check_headers(&self, export: &Export) -> Result<(), String> {
        let Route { protocol, compression, .. } = self.route;
        let (kind, header) = match protocol {
            "grpc" => ("application/grpc", "grpc-encoding"),
            "http/json" => ("application/json", "content-encoding"),
            _ => ("application/x-protobuf", "content-encoding"),
        };
        let content = export.headers.get_str("content-type").unwrap_or_default();
        let coding = export.headers.get_str(header).unwrap_or("none");
        let is_coded = coding == compression || (compression, coding) == ("none", "identity");
        if content.starts_with(kind) && is_coded {
            return Ok(());
        }
        Err(format!("an export came as {content:?} with {header} {coding:?}"))
    }
}

/// A receiver with this security.
fn secured(
    mut builder: ReceiverBuilder,
    security: Security,
    certificates: &Certificates,
) -> Result<ReceiverBuilder, String> {
    let read = |path: String| fs::read(&path).map_err(|error| format!("{path}: {error}"));
    if security != Security::Plain {
        let (certificate, key) = certificates.server();
        builder = builder.with_tls_pem(read(certificate)?, read(key)?);
    }
    if security == Security::Mtls {
        builder = builder.with_client_ca_pem(read(certificates.authority())?);
    }
    Ok(builder)
}

/// The time for spans to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Corpus;

    /// The short form of the whole command: Spanwise sends to `spanwise-receiver`, without TLS.
    #[test]
    fn spans_arrive_by_every_protocol_and_compression() {
        let corpus = Corpus::new().unwrap();
        let none = Certificates::at(Path::new("/none"));
        for route in Route::all().filter(|route| route.security == Security::Plain) {
            let target = Target::start(route, &none).unwrap();
            let variables = route.variables(target.port(), &none);
            let sent = corpus.send("receiver", variables).unwrap();
            assert_eq!(target.check(&sent), Ok("200 spans".to_owned()), "{route}");
        }
    }
}
