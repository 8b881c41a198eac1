//! A receiver whose bodies are read twice: by prost and by `spanwise-wire`.

use crate::peers::{Request, compare, decoded, wait_until};
use spanwise::wire::read::TraceRequest;
use spanwise_receiver::{Collected, Receiver};
use std::time::Duration;

pub(super) struct Received {
    pub(super) receiver: Receiver,
    collected: Collected,
}

impl Received {
    pub(super) fn start() -> Result<Self, String> {
        let (receiver, collected) = Receiver::collecting().map_err(|error| error.to_string())?;
        Ok(Self { receiver, collected })
    }

    pub(super) fn port(&self) -> u16 {
        self.receiver.address().port()
    }

    /// All bodies, once they have this number of spans.
    ///
    /// # Errors
    /// Spans are missing, or the two readers disagree.
    pub(super) fn request(&self, spans: usize) -> Result<Request, String> {
        if !wait_until(PATIENCE, || self.collected.spans() >= spans as u64) {
            return Err(format!("{} of {spans} spans arrived", self.collected.spans()));
        }
        let mut all = Request::default();
        for body in self.collected.bodies() {
            let request = decoded(&body)?;
            agree(&request, &body)?;
            all.resource_spans.extend(request.resource_spans);
        }
        Ok(all)
    }

    /// # Errors
    /// The bodies have other spans than `expected`.
    pub(super) fn expect(&self, expected: &Request, spans: usize) -> Result<(), String> {
        compare(&self.request(spans)?, expected)
    }
}

/// `spanwise-wire` reads the same spans in the same order as prost.
fn agree(request: &Request, body: &[u8]) -> Result<(), String> {
    let mut views = TraceRequest::new(body).spans();
    for span in spanwise_testkit::spans(request) {
        let view = views.next().ok_or("spanwise-wire reads fewer spans")?;
        let view = view.map_err(|error| error.to_string())?;
        let name = view.name().map_err(|error| error.to_string())?;
        let is_same = name == span.name
            && view.trace_id().is_some_and(|id| id[..] == span.trace_id)
            && view.span_id().is_some_and(|id| id[..] == span.span_id)
            && view.attributes().count() == span.attributes.len()
            && view.events().count() == span.events.len()
            && view.links().count() == span.links.len();
        if !is_same {
            return Err(format!("spanwise-wire reads the span {:?} differently", span.name));
        }
    }
    match views.next() {
        None => Ok(()),
        Some(_) => Err("spanwise-wire reads more spans".to_owned()),
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
