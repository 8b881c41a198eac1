//! [`Operation`]: one export, as the semantic conventions count it.

use super::EndpointMetrics;
use super::collect::operation_attributes;
use super::operations::OperationResult;
use spanwise_metrics::Attribute;
use std::sync::Arc;
use std::time::Duration;

/// A request with all its attempts, for a histogram of the program: `otel.sdk.exporter.operation.duration`.
#[derive(Debug, Clone)]
pub struct Operation {
    endpoint: Arc<EndpointMetrics>,
    result: OperationResult,
    duration: Duration,
}

impl Operation {
    /// Records an operation in the metrics of its endpoint.
    pub(crate) fn record(
        endpoint: &Arc<EndpointMetrics>,
        result: OperationResult,
        duration: Duration,
    ) -> Self {
        endpoint.operations.record(result, duration);
        Self { endpoint: endpoint.clone(), result, duration }
    }

    /// The time from the first attempt to the end of the last, waits included.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The attributes of the semantic conventions: `otel.component.name` and `.type`, `server.address` and `.port`,
    /// `error.type`, and `http.response.status_code` or `rpc.status_code`, each if it has a value.
    ///
    /// # Cost
    /// Allocates them.
    pub fn attributes(&self) -> Vec<Attribute> {
        operation_attributes(&self.endpoint, Some(self.result))
    }
}
