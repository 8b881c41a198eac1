//! The replacement of the settings of batching, and of the first endpoint's transport.

use super::ExportMachine;
use crate::batch_config::BatchConfig;
use crate::dynamic_transport::PreparedTransport;
use crate::error::BatchConfigError;
use std::time::Instant;

impl ExportMachine {
    /// Replaces the settings of batching. Chunks that are open and requests in flight stay as they are.
    ///
    /// # Errors
    /// A setting is out of its range: nothing changes.
    pub fn set_batch_config(&mut self, config: &BatchConfig) -> Result<(), BatchConfigError> {
        config.check(self.composer.max_resource_bytes())?;
        self.sizing.set_config(config, self.now);
        self.apply(config);
        Ok(())
    }

    /// Replaces the transport of the first endpoint: requests that are made from now on are for the new one, and
    /// have the next [`generation`](super::RequestId::generation). Requests that exist are for the earlier one
    /// until they end; neither they nor its failures hold back a new one.
    ///
    /// Returns whether it is replaced; not while the budget has no memory for the encoder of the new transport.
    #[must_use = "call it again later if it returns false"]
    pub fn set_transport(&mut self, now: Instant, transport: &PreparedTransport) -> bool {
        self.now = now;
        if !self.charge_encoders(transport.encoder_bytes) {
            self.composer.memory.trim();
            return false;
        }
        self.encoder_bytes = transport.encoder_bytes;
        self.composer.routes = transport.routes.clone();
        self.composer.memory.set_sizes(transport.request_bytes, transport.routes.copies());
        self.reserve = transport.reserve;
        let metrics = &self.metrics;
        self.in_flight.replace_transport(|before| metrics.replace(before, &transport.transport));
        self.free_encoders();
        self.sizing.forget(0);
        self.apply_sizing();
        // The new endpoint has not stalled.
        self.progress = now;
        true
    }

    /// The [generation](super::RequestId::generation) of the first endpoint's transport.
    pub fn generation(&self) -> u32 {
        self.in_flight.generation()
    }

    /// The earlier generations whose requests have not all ended, the oldest first.
    pub fn retired_generations(&self) -> impl Iterator<Item = u32> {
        self.in_flight.retired()
    }

    /// Charges the budget for `bytes` bytes of encoders, at least.
    fn charge_encoders(&mut self, bytes: usize) -> bool {
        let charged = self.encoders.as_ref().map_or(0, |charge| charge.bytes());
        let Some(missing) = bytes.checked_sub(charged).filter(|missing| *missing > 0) else {
            return true;
        };
        let Some(more) = self.composer.memory.budget().try_charge_reserved(missing) else {
            return false;
        };
        match &mut self.encoders {
            // Of the same budget.
            Some(charge) => charge.merge(more).is_ok(),
            None => {
                self.encoders = Some(more);
                true
            }
        }
    }

    /// Returns memory of encoders that no transport needs any more.
    pub(super) fn free_encoders(&mut self) {
        if let Some(charge) = &mut self.encoders
            && self.in_flight.retired().next().is_none()
        {
            charge.shrink_to(self.encoder_bytes);
        }
    }
}
