//! Exporters that count.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Batches handed to an exporter of this process.
pub static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Spans in these batches.
pub static HANDED_OVER: AtomicU64 = AtomicU64::new(0);

/// Counts spans and drops them.
#[derive(Debug)]
pub struct Null(pub Arc<AtomicU64>);

impl SpanExporter for Null {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        REQUESTS.fetch_add(1, SeqCst);
        self.0.fetch_add(batch.len() as u64, SeqCst);
        Ok(())
    }
}

/// Counts what the exporter inside delivered.
#[derive(Debug)]
pub struct Counted<E> {
    pub inner: E,
    pub delivered: Arc<AtomicU64>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        REQUESTS.fetch_add(1, SeqCst);
        let spans = batch.len() as u64;
        HANDED_OVER.fetch_add(spans, SeqCst);
        let result = self.inner.export(batch).await;
        if result.is_ok() {
            self.delivered.fetch_add(spans, SeqCst);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
