//! Settings in code and in the environment.

use crate::support;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanProcessor as _;
use spanwise_opentelemetry::{
    BatchPreset, BatchSpanProcessor, BatchSpanProcessorBuilder, Compression, OnFull, Protocol,
};
use spanwise_receiver::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{LONG, exporter, processor, received, span};

/// A builder with these variables, and the lines of its diagnostics.
fn with_variables(
    variables: &[(&'static str, String)],
) -> (BatchSpanProcessorBuilder, Arc<Mutex<Vec<String>>>) {
    let (variables, lines) = (variables.to_vec(), Arc::new(Mutex::new(Vec::new())));
    let log = lines.clone();
    let builder = BatchSpanProcessor::builder()
        .with_environment(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        })
        .with_diagnostics(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()));
    (builder, lines)
}

#[test]
fn variables_of_the_specification_configure_the_processor() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (builder, lines) = with_variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token".to_owned()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned()),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5".to_owned()),
        // Of the SDK, whose spans these are.
        ("OTEL_TRACES_SAMPLER", "always_off".to_owned()),
        ("OTEL_TRACES_EXPORTER", "none".to_owned()),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1".to_owned()),
        ("OTEL_PROPAGATORS", "b3".to_owned()),
    ]);
    let processor = builder.build().unwrap();
    for id in 1..=20 {
        let mut span = span(id);
        span.attributes = vec![KeyValue::new("text", "0123456789"), KeyValue::new("more", true)];
        processor.on_end(span);
    }
    processor.shutdown().unwrap();
    assert_eq!((collected.spans(), collected.bodies().len()), (20, 2));
    let request = received(&collected);
    for span in spanwise_testkit::spans(&request) {
        let attributes = spanwise_testkit::attributes_map(&span.attributes);
        assert!(format!("{:?}", attributes["text"]).contains("\"01234\""));
        assert_eq!(attributes.len(), 2, "the SDK applied its own limits of counts");
    }
    let lines = lines.lock().unwrap();
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn an_invalid_variable_is_reported_once_and_the_default_is_in_force() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (builder, lines) = with_variables(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0".to_owned()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "soon".to_owned()),
    ]);
    let processor = builder.with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    processor.shutdown().unwrap();
    assert_eq!(collected.spans(), 1);
    let lines = lines.lock().unwrap();
    for name in ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_EXPORT_TIMEOUT"] {
        let of_name = lines.iter().filter(|line| line.starts_with(name));
        assert_eq!(of_name.count(), 1, "{lines:?}");
    }
}

#[test]
fn a_disabled_sdk_exports_nothing() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (builder, _lines) = with_variables(&[("OTEL_SDK_DISABLED", "true".to_owned())]);
    let processor = builder.with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    processor.force_flush().unwrap();
    processor.shutdown().unwrap();
    assert_eq!(collected.spans(), 0);
    assert_eq!(processor.ledger().created, 0);
}

#[test]
fn an_invalid_setting_is_an_error_that_names_it_its_value_and_the_range() {
    let of_processor =
        |builder: BatchSpanProcessorBuilder| builder.build().unwrap_err().to_string();
    for (error, texts) in [
        (of_processor(processor().with_budget_bytes(1)), ["with_budget_bytes", "1", "1048576"]),
        (
            of_processor(processor().with_max_queue_size(0)),
            ["with_max_queue_size", "0", "16 to 16777216 spans"],
        ),
        (
            of_processor(processor().with_max_queue_size(16).with_max_export_batch_size(17)),
            ["with_max_export_batch_size", "17", "16 spans"],
        ),
        (
            of_processor(processor().with_scheduled_delay(Duration::ZERO)),
            ["with_scheduled_delay", "0ns", "1 ms"],
        ),
        (
            of_processor(processor().with_on_full(OnFull::ShedByTrace)),
            ["with_on_full", "ShedByTrace", "Drop and Wait"],
        ),
        (
            exporter().with_max_request_bytes(1).build().unwrap_err().to_string(),
            ["with_max_request_bytes", "1", "65536"],
        ),
        (
            exporter().with_max_in_flight(65).build().unwrap_err().to_string(),
            ["with_max_in_flight", "65", "1 to 64"],
        ),
        (
            exporter().with_endpoint("ftp://host").build().unwrap_err().to_string(),
            ["with_endpoint", "ftp", "http"],
        ),
        (
            exporter().with_header("bad name", "secret").build().unwrap_err().to_string(),
            ["with_header", "bad", "redacted"],
        ),
    ] {
        for text in texts {
            assert!(error.contains(text), "{error:?} lacks {text:?}");
        }
        assert!(!error.contains("secret"));
    }
}

/// A user of the plug-in depends on this crate alone, whose features forward those of the layers below.
#[test]
fn the_error_of_a_missing_feature_names_this_crate() {
    let errors = [
        processor().with_protocol(Protocol::Grpc).build().err(),
        exporter().with_protocol(Protocol::Grpc).build().err(),
    ];
    for error in errors {
        // Another crate of the build may have enabled the feature of the layers below.
        let Some(error) = error.map(|error| error.to_string()) else { continue };
        let line = "add features = [\"grpc\"] to spanwise-opentelemetry in Cargo.toml";
        assert!(cfg!(not(feature = "grpc")) && error.contains(line), "{error}");
        assert!(!error.contains("spanwise-sdk"), "{error}");
    }
}

#[test]
fn code_precedes_the_environment() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (builder, _lines) =
        with_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned())]);
    let processor = builder
        .with_endpoint(receiver.http_endpoint())
        .with_header("x-team", "shop")
        .with_compression(Compression::Gzip)
        .with_max_response_bytes(4096)
        .build()
        .unwrap();
    processor.on_end(span(1));
    processor.shutdown_with_timeout(LONG).unwrap();
    assert_eq!(collected.spans(), 1);
}

#[test]
fn presets_name_the_numbers_of_batching_and_they_change_while_the_processor_runs() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor()
        .with_endpoint(receiver.http_endpoint())
        .with_batch_preset(BatchPreset::Specification)
        .build()
        .unwrap();
    let numbers = processor.batching().load();
    assert_eq!(numbers.max_export_batch_size, 512);
    assert_eq!(numbers.scheduled_delay, Duration::from_secs(5));
    processor.batching().update(|config| config.with_max_export_batch_size(10)).unwrap();
    (1..=100).for_each(|id| processor.on_end(span(id)));
    processor.shutdown().unwrap();
    assert_eq!((collected.spans(), collected.bodies().len()), (100, 10));
}
