//! The thread that owns a `SpanExporter`, and runs one call of it at a time.

use super::export_call::ExportCall;
use super::span_data;
use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanExporter;
use spanwise_sdk::{Failure, Outcome};
use spanwise_wire::read::{ResourceSpans, TraceRequest, WireError};
use spanwise_worker::{MAX_LINE_BYTES, catch_panic, mask_sigpipe, oneshot, sanitize};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::runtime::Handle;
use tokio::sync::oneshot as task_oneshot;

/// A call of the exporter.
pub(super) enum Call {
    Export { call: Arc<ExportCall>, exported: task_oneshot::Sender<Exported> },
    Flush(oneshot::Sender<Result<(), String>>),
    Shutdown(Box<dyn FnOnce(Result<(), String>) + Send>),
}

/// The outcome of a request, and the cause of a failure.
pub(super) type Exported = (Outcome, Option<String>);

/// The exporter on its thread.
pub(super) struct ExporterThread<E> {
    exporter: E,
    /// The runtime whose timers and sockets the exporter uses.
    runtime: Option<Handle>,
    /// The resource that the exporter has, encoded.
    resource: Option<Vec<u8>>,
}

impl<E: SpanExporter> ExporterThread<E> {
    pub(super) fn new(exporter: E, runtime: Option<Handle>) -> Self {
        Self { exporter, runtime, resource: None }
    }

    /// Runs the calls until the shutdown, or until the sink is dropped.
    pub(super) fn run(mut self, calls: &Receiver<Call>) {
        mask_sigpipe();
        // An instrumented client would otherwise record its own exports.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let runtime = self.runtime.clone();
        let _entered = runtime.as_ref().map(Handle::enter);
        while let Ok(call) = calls.recv() {
            match call {
                Call::Export { call, exported } => {
                    let Some(request) = call.take() else { continue };
                    // The sender may have stopped waiting.
                    let _cancelled = exported.send(self.export(&call, request));
                }
                Call::Flush(result) => result.send(self.command(E::force_flush)),
                Call::Shutdown(result) => {
                    // An exporter may implement either of the two methods. The other one's default calls
                    // `shutdown_with_timeout`, so that this calls each exporter once.
                    result(self.command(E::shutdown));
                    break;
                }
            }
        }
        let Self { exporter, .. } = self;
        let _caught = catch_panic(|| drop(exporter));
    }

    /// Exports one batch for each resource of the request: one, as the provider writes it.
    fn export(&mut self, call: &ExportCall, request: Bytes) -> Exported {
        let mut batches = Vec::new();
        for group in TraceRequest::new(&request).resources() {
            let group = match group {
                Ok(group) => group,
                Err(error) => return malformed(error),
            };
            match span_data::batch(&group) {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => batches.push((group, batch)),
                Err(error) => return malformed(error),
            }
        }
        for (group, batch) in batches {
            if let Some(failed) = self.set_resource(&group) {
                return failed;
            }
            let exporter = &self.exporter;
            let result = match call.block_on(async { exporter.export(batch).await }) {
                None => return (Outcome::Failed(Failure::AmbiguousTimeout), None),
                Some(Ok(result)) => result,
                Some(Err(panic)) => return panicked(&panic),
            };
            if let Err(error) = result {
                return failed(&error);
            }
        }
        (Outcome::Accepted { rejected: 0, message: None }, None)
    }

    /// Passes the resource to the exporter if it has another one. Returns the outcome of a failure.
    fn set_resource(&mut self, group: &ResourceSpans<'_>) -> Option<Exported> {
        let schema_url = group.schema_url().unwrap_or_default();
        let encoded = [group.resource(), schema_url.as_bytes()].concat();
        if self.resource.as_ref() == Some(&encoded) {
            return None;
        }
        let resource = match span_data::resource(group) {
            Ok(resource) => resource,
            Err(error) => return Some(malformed(error)),
        };
        self.resource = Some(encoded);
        let set = catch_panic(|| self.exporter.set_resource(&resource));
        set.err().map(|panic| panicked(&panic))
    }

    fn command(&self, command: impl FnOnce(&E) -> OTelSdkResult) -> Result<(), String> {
        match catch_panic(|| command(&self.exporter)) {
            Ok(result) => result.map_err(|error| text(&error)),
            Err(panic) => Err(panic.to_string()),
        }
    }
}

/// The provider writes no such request.
fn malformed(error: WireError) -> Exported {
    (Outcome::Failed(Failure::Unsendable), Some(error.to_string()))
}

fn panicked(panic: &spanwise_worker::CaughtPanic) -> Exported {
    let mut cause = panic.to_string();
    // tokio panics with the text of this error where it finds no runtime.
    if Handle::try_current().is_err_and(|missing| cause.contains(&missing.to_string())) {
        cause += "; the exporter needs a tokio runtime: set it by with_sdk_exporter_on";
    }
    (Outcome::Failed(Failure::SinkPanicked), Some(cause))
}

/// An exporter that reports a timeout may have exported the spans.
fn failed(error: &OTelSdkError) -> Exported {
    let failure = match error {
        OTelSdkError::Timeout(_) => Failure::AmbiguousTimeout,
        _ => Failure::Unsendable,
    };
    (Outcome::Failed(failure), Some(text(error)))
}

fn text(error: &OTelSdkError) -> String {
    sanitize(&error.to_string(), MAX_LINE_BYTES)
}
