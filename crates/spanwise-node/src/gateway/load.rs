//! A request on its way through the gateway.

use std::sync::Arc;

use bytes::Bytes;
use spanwise_batch::Budget;
use spanwise_ledger::Tickets;
use spanwise_transport::PREFIX;

use super::held::Held;
use super::peer::queue::Batch;
use crate::stage::{Busy, OwnedRequest, Refusal};

/// A request on its way to a peer.
pub(crate) struct Load {
    pub(crate) bytes: LoadBytes,
    pub(crate) spans: u64,
    pub(crate) held: Held,
    /// Of the ledger, if the request was on its way to another peer before.
    pub(crate) tickets: Option<Tickets>,
}

/// The bytes of a request, whose memory is reused where it has space for a prefix.
pub(crate) enum LoadBytes {
    Plain(Bytes),
    Prefixed(Vec<u8>),
}

impl Load {
    pub(crate) fn of_batch(batch: Batch) -> Self {
        let spans = batch.spans();
        let bytes = LoadBytes::Prefixed(batch.prefixed);
        Self { bytes, spans, held: batch.held, tickets: Some(batch.tickets) }
    }

    /// The message, without a copy.
    pub(crate) fn message(&mut self) -> Bytes {
        if let LoadBytes::Prefixed(prefixed) = &mut self.bytes {
            self.bytes = LoadBytes::Plain(Bytes::from(std::mem::take(prefixed)).slice(PREFIX..));
        }
        match &self.bytes {
            LoadBytes::Plain(bytes) => bytes.clone(),
            LoadBytes::Prefixed(_) => Bytes::new(),
        }
    }

    pub(crate) fn into_batch(self, tickets: Tickets) -> Batch {
        let held = self.held;
        match self.bytes {
            LoadBytes::Plain(message) => Batch::copied(&message, tickets, held),
            LoadBytes::Prefixed(prefixed) => Batch::new(prefixed, tickets, held),
        }
    }

    /// The request for the stage of this node.
    pub(crate) fn into_request(mut self, budget: &Budget) -> Result<OwnedRequest, Refusal> {
        let (bytes, spans) = (self.message(), self.spans);
        let charge = self.held.into_charge();
        let charge = charge.or_else(|| budget.try_charge_reserved(0).map(Arc::new));
        let charge = charge.ok_or(Refusal::Busy(Busy::Full))?;
        Ok(OwnedRequest { bytes, spans, charge })
    }
}
