//! The tasks that send requests.

use crate::machine::RequestId;
use crate::metrics::ExportMetrics;
use spanwise_transport::{Delivery, FramedRequest, Transport};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// Requests being sent, each by a task of the exporter's runtime.
pub(super) struct Sending {
    tasks: JoinSet<Delivery>,
    /// Each with the time that it took to drain and to frame it.
    requests: HashMap<Id, (RequestId, Duration)>,
    /// Ended, and seen by `ended` but not yet returned.
    ended: Vec<Ended>,
    /// True once all requests are cancelled.
    cancelled: watch::Sender<bool>,
    metrics: Option<ExportMetrics>,
}

/// A request that ended: with a delivery, or `None` when its task panicked.
pub(super) type Ended = (RequestId, Option<Delivery>);

impl Sending {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            requests: HashMap::new(),
            ended: Vec::new(),
            cancelled: watch::Sender::new(false),
            metrics: None,
        }
    }

    pub(super) fn set_metrics(&mut self, metrics: ExportMetrics) {
        self.metrics = Some(metrics);
    }

    /// Sends a request that took this time to drain and to frame.
    pub(super) fn start(
        &mut self,
        transport: &Transport,
        request_id: (RequestId, Duration),
        request: FramedRequest,
    ) {
        let transport = transport.clone();
        let mut cancelled = self.cancelled.subscribe();
        let task = async move {
            let cancelled = async move {
                if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
                    std::future::pending().await
                }
            };
            transport.send_with_cancel(request, cancelled).await
        };
        let task = self.tasks.spawn(task).id();
        self.requests.insert(task, request_id);
    }

    /// The next request that ended, if one has.
    pub(super) fn try_next(&mut self) -> Option<Ended> {
        if let Some(ended) = self.ended.pop() {
            return Some(ended);
        }
        loop {
            let joined = self.tasks.try_join_next_with_id()?;
            if let Some(ended) = self.end(joined) {
                return Some(ended);
            }
        }
    }

    /// Completes when a request has ended; never when there is none.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(joined) => {
                let ended = self.end(joined);
                self.ended.extend(ended);
            }
            None => std::future::pending().await,
        }
    }

    /// Cancels all requests. The delivery of each states whether the receiver may have it.
    pub(super) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Aborts all tasks.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    fn end(&mut self, joined: Result<(Id, Delivery), JoinError>) -> Option<Ended> {
        let (task, delivery) = match joined {
            Ok((task, delivery)) => (task, Some(delivery)),
            Err(error) => {
                let task = error.id();
                if let Ok(payload) = error.try_into_panic() {
                    // Its drop may panic.
                    std::mem::forget(payload);
                }
                (task, None)
            }
        };
        let (id, prepared_in) = self.requests.remove(&task)?;
        if let Some(metrics) = &self.metrics {
            let encode_time = delivery.as_ref().map_or(Duration::ZERO, |it| it.encode_time);
            metrics.processed_in(prepared_in.saturating_add(encode_time));
        }
        Some((id, delivery))
    }
}
