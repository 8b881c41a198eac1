//! The processor and the exporter for the stock SDK.

use crate::printed::{LONG, Printed, SECRET, echo, with_query};
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter, SpanProcessor};
use spanwise_opentelemetry::{BatchSpanProcessor, OtlpExporter};

pub fn plug_ins_do_not_show_their_secrets(printed: &Printed) {
    let peer = echo("HTTP/1.1 400 Bad Request\r\n");
    let url = with_query(&format!("{}/v1/traces", peer.address()));
    let seen = printed.clone();
    let processor = BatchSpanProcessor::builder()
        .with_environment(|_| None)
        .with_diagnostics(move |diagnostic| seen.debug("Diagnostic", diagnostic))
        .with_endpoint(&url)
        .with_header("x-api-key", SECRET);
    printed.debug("BatchSpanProcessorBuilder", &processor);
    let processor = processor.build().unwrap();
    printed.debug("BatchSpanProcessor", &processor);
    let provider = SdkTracerProvider::builder().with_span_processor(processor.clone()).build();
    drop(provider.tracer("secrets").start(SECRET));
    printed.result("flush", &processor.force_flush());
    printed.result("shutdown", &processor.shutdown_with_timeout(LONG));

    let exporter = OtlpExporter::builder()
        .with_environment(|_| None)
        .with_endpoint(&url)
        .with_header("x-api-key", SECRET);
    printed.debug("OtlpExporterBuilder", &exporter);
    let exporter = exporter.build().unwrap();
    printed.debug("OtlpExporter", &exporter);
    printed.result("shutdown", &exporter.shutdown_with_timeout(LONG));
    let refused = OtlpExporter::builder().with_header("x api key", SECRET).build().unwrap_err();
    printed.error("BuildError", refused);
}
