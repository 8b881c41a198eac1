//! A clone of a transport whose requests leave no trace in those of the others.

use std::sync::Arc;

use super::Transport;
use crate::failover::Endpoints;

impl Transport {
    /// A clone that shares connections and settings, and neither waits for the throttle and the circuit breaker of
    /// the others nor changes them: a request that only asks must not stop the exports.
    pub(crate) fn probing(&self) -> Self {
        Self { own_endpoints: Some(Arc::new(self.endpoints().probing())), ..self.clone() }
    }

    /// The endpoints of the requests of this clone.
    pub(super) fn endpoints(&self) -> &Endpoints {
        self.own_endpoints.as_deref().unwrap_or(&self.shared.endpoints)
    }
}
