//! The exporter behind the SDK's own processors, and the outcome of its batches.

use crate::support;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::runtime;
use opentelemetry_sdk::trace::span_processor_with_async_runtime;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter as _,
};
use spanwise_opentelemetry::{DropReason, OtlpExporter};
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::ClosedPort;
use std::time::Duration;
use support::{LONG, assert_idle, exporter, received, span};

fn spans(ids: std::ops::RangeInclusive<u64>) -> Vec<SpanData> {
    ids.map(span).collect()
}

/// Exports without any runtime, as the SDK's thread does.
fn export(
    exporter: &OtlpExporter,
    batch: Vec<SpanData>,
) -> opentelemetry_sdk::error::OTelSdkResult {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(exporter.export(batch))
}

#[test]
fn it_works_behind_the_simple_and_the_batch_processor() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let build = || exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let (simple, batch) = (build(), build());
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(simple.clone())
        .with_batch_exporter(batch.clone())
        .build();
    let tracer = provider.tracer("exporter");
    drop(tracer.start("one"));
    assert_eq!(collected.spans(), 1, "the simple processor exports within the end of the span");
    (0..999).for_each(|_| drop(tracer.start("more")));
    provider.force_flush().unwrap();
    assert_eq!(collected.spans(), 2000);
    provider.shutdown().unwrap();
    for exporter in [simple, batch] {
        assert_idle(&exporter.ledger());
        assert_eq!(exporter.ledger().exported, 1000);
    }
}

#[test]
fn it_works_behind_the_processor_of_an_async_runtime() {
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let multi = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (tokio, is_current) in [(current, true), (multi, false)] {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
        tokio.block_on(async {
            // The shutdown of the SDK's processor blocks a thread of a runtime, of which one with a single
            // thread has a variant of its own.
            let config = BatchConfigBuilder::default().with_max_export_batch_size(100).build();
            let provider = SdkTracerProvider::builder();
            let provider = if is_current {
                let batch = span_processor_with_async_runtime::BatchSpanProcessor::builder(
                    exporter.clone(),
                    runtime::TokioCurrentThread,
                );
                provider.with_span_processor(batch.with_batch_config(config).build())
            } else {
                let batch = span_processor_with_async_runtime::BatchSpanProcessor::builder(
                    exporter.clone(),
                    runtime::Tokio,
                );
                provider.with_span_processor(batch.with_batch_config(config).build())
            };
            let provider = provider.build();
            let tracer = provider.tracer("async");
            (0..250).for_each(|_| drop(tracer.start("work")));
            let shutdown = tokio::task::spawn_blocking(move || provider.shutdown());
            shutdown.await.unwrap().unwrap();
        });
        assert_eq!(collected.spans(), 250);
        assert_idle(&exporter.ledger());
    }
}

#[test]
fn a_batch_above_the_request_size_is_split() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = exporter()
        .with_endpoint(receiver.http_endpoint())
        .with_max_request_bytes(64 << 10)
        .build()
        .unwrap();
    let mut batch = spans(1..=200);
    for span in &mut batch {
        span.attributes.push(KeyValue::new("payload", "x".repeat(3000)));
    }
    export(&exporter, batch).unwrap();
    assert_eq!(collected.spans(), 200);
    let bodies = collected.bodies();
    assert!(bodies.len() >= 200 * 3000 / (64 << 10), "{}", bodies.len());
    assert!(bodies.iter().all(|body| body.len() <= 64 << 10));
    exporter.shutdown().unwrap();
}

/// More bytes than the budget: the exporter sends a part of the batch before it encodes the next one.
#[test]
fn a_batch_above_the_budget_loses_nothing() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = exporter()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .build()
        .unwrap();
    let mut batch = spans(1..=400);
    for span in &mut batch {
        span.attributes.push(KeyValue::new("payload", "x".repeat(10_000)));
    }
    export(&exporter, batch).unwrap();
    assert_eq!(collected.spans(), 400);
    assert_idle(&exporter.ledger());
    exporter.shutdown().unwrap();
}

#[test]
fn one_bad_span_costs_no_other() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let mut batch = spans(1..=10);
    batch[3].span_context = SpanContext::empty_context();
    // An invalid context is not sampled either; this one is.
    let sampled = opentelemetry::trace::TraceFlags::SAMPLED;
    batch[4].span_context =
        SpanContext::new(0.into(), 7_u64.into(), sampled, false, Default::default());
    batch[5].attributes.push(KeyValue::new("huge", "x".repeat(8 << 20)));
    let result = export(&exporter, batch);
    let Err(OTelSdkError::InternalFailure(text)) = result else { panic!("{result:?}") };
    assert!(text.contains("invalid_id 1"), "{text}");
    let request = received(&collected);
    let huge: Vec<_> = spanwise_testkit::spans(&request)
        .filter(|span| span.dropped_attributes_count == 1)
        .collect();
    assert_eq!((spanwise_testkit::spans(&request).count(), huge.len()), (8, 1));
    let ledger = exporter.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.exported, ledger.sampled_out), (8, 1));
    assert_eq!(ledger.dropped(DropReason::InvalidId), 1);
    exporter.shutdown().unwrap();
}

#[test]
fn a_batch_that_is_lost_is_an_error_that_names_the_reason() {
    let refuse = |http_status| {
        Receiver::builder()
            .with_handler(move |_| Answer::Refuse {
                http_status,
                grpc_code: 13,
                message: "no such token".into(),
                retry_after: None,
            })
            .start()
            .unwrap()
    };
    let (rejecting, busy, closed) = (refuse(401), refuse(503), ClosedPort::new().unwrap());
    for (endpoint, reason, text) in [
        (rejecting.http_endpoint(), DropReason::Rejected, "401"),
        (busy.http_endpoint(), DropReason::RetryDeadline, "503"),
        (closed.endpoint().unwrap(), DropReason::RetryDeadline, "refused"),
    ] {
        let exporter = exporter()
            .with_endpoint(endpoint)
            .with_export_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let result = export(&exporter, spans(1..=5));
        let Err(OTelSdkError::InternalFailure(message)) = result else { panic!("{result:?}") };
        assert!(message.contains(&format!("{reason} 5")), "{message}");
        assert!(message.contains(text), "{message}");
        let ledger = exporter.ledger();
        assert_idle(&ledger);
        assert_eq!(ledger.dropped(reason), 5);
        exporter.shutdown().unwrap();
    }
}

#[test]
fn a_part_that_the_receiver_rejects_is_an_error() {
    let partial = |_| Answer::Partial { rejected: 2, message: "bad ones".into() };
    let receiver = Receiver::builder().with_handler(partial).start().unwrap();
    let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let result = export(&exporter, spans(1..=5));
    let Err(OTelSdkError::InternalFailure(text)) = result else { panic!("{result:?}") };
    assert!(text.contains("partial_rejected 2"), "{text}");
    assert_eq!(exporter.ledger().exported, 3);
    exporter.shutdown().unwrap();
}

#[test]
fn exports_after_the_shutdown_are_errors_and_counted() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    exporter.force_flush().unwrap();
    exporter.shutdown().unwrap();
    let already = |result: opentelemetry_sdk::error::OTelSdkResult| {
        assert!(matches!(result, Err(OTelSdkError::AlreadyShutdown)), "{result:?}");
    };
    already(export(&exporter, spans(1..=5)));
    already(exporter.shutdown());
    already(exporter.shutdown_with_timeout(LONG));
    already(exporter.force_flush());
    assert_eq!(exporter.ledger().dropped(DropReason::AfterShutdown), 5);
    assert_eq!(collected.spans(), 0);
}

/// The sizes of the SDK's batches belong to the SDK's processor.
#[test]
fn the_variables_of_the_batching_processor_do_not_limit_the_exporter() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = OtlpExporter::builder()
        .with_diagnostics(|_| {})
        .with_environment(|name| match name {
            "OTEL_BSP_MAX_QUEUE_SIZE" => Some("16".into()),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" => Some("4".into()),
            "OTEL_BSP_SCHEDULE_DELAY" => Some("3600000".into()),
            _ => None,
        })
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    export(&exporter, spans(1..=500)).unwrap();
    assert_eq!((collected.spans(), collected.bodies().len()), (500, 1));
    exporter.shutdown().unwrap();
}

/// The thread-based processor of the SDK, built by hand.
#[test]
fn a_shutdown_of_the_batch_processor_of_the_sdk_ends_the_exporter() {
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let batch = BatchSpanProcessor::builder(exporter.clone()).build();
    let provider = SdkTracerProvider::builder().with_span_processor(batch).build();
    drop(provider.tracer("end").start("span"));
    provider.shutdown().unwrap();
    assert!(matches!(exporter.shutdown(), Err(OTelSdkError::AlreadyShutdown)));
    assert_eq!(exporter.ledger().exported, 1);
}
