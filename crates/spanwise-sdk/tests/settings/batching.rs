//! The settings of batching: presets, variables, their precedence, and changes while the provider runs.

use crate::{Variables, error, lines, sunk, with};
use opentelemetry::trace::Tracer as _;
use spanwise_sdk::{BatchConfig, BatchPreset, BatchSize, Spanwise, SpanwiseBuilder};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// The variables of the batching processor, with values that no preset and no default has.
const VARIABLES: Variables<'static> = &[
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "77"),
    ("OTEL_BSP_SCHEDULE_DELAY", "7000"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "777"),
];

fn config(builder: SpanwiseBuilder) -> BatchConfig {
    (*builder.build().unwrap().batching().load()).clone()
}

/// Batch size, delay in seconds and queue size.
fn sizes(builder: SpanwiseBuilder) -> (usize, u64, Option<usize>) {
    let config = config(builder);
    (config.max_export_batch_size, config.scheduled_delay.as_secs(), config.max_queue_size)
}

/// Code precedes a variable, which precedes the default. A preset is code, and a method precedes it.
#[test]
fn a_method_precedes_a_preset_a_variable_and_the_default() {
    let specification = BatchPreset::Specification;
    let preset = |builder: SpanwiseBuilder| builder.with_batch_preset(specification);
    let method = |builder: SpanwiseBuilder| builder.with_max_export_batch_size(64);
    for (builder, expected) in [
        (sunk(&[]), (8_192, 1, None)),
        (sunk(VARIABLES), (77, 7, Some(777))),
        (preset(sunk(&[])), (512, 5, Some(2_048))),
        (preset(sunk(VARIABLES)), (512, 5, Some(2_048))),
        (method(preset(sunk(VARIABLES))), (64, 5, Some(2_048))),
        (preset(method(sunk(VARIABLES))), (64, 5, Some(2_048))),
        (preset(sunk(&[])).with_scheduled_delay(2 * SECOND), (512, 2, Some(2_048))),
        (preset(sunk(&[])).with_max_queue_size(100), (100, 5, Some(100))),
        // A preset leaves what it does not set to the variable.
        (sunk(VARIABLES).with_batch_preset(BatchPreset::LowLatency), (100, 1, Some(777))),
        (sunk(VARIABLES).with_batch_preset(BatchPreset::HighThroughput), (777, 10, Some(777))),
        (sunk(&[]).with_batch_preset(BatchPreset::Balanced), (500, 5, None)),
        (sunk(&[]).with_batch_preset(BatchPreset::Production), (1_000, 5, Some(2_048))),
        // The specification's values by its variables.
        (
            sunk(&[
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
                ("OTEL_BSP_SCHEDULE_DELAY", "5000"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "2048"),
                ("OTEL_BSP_EXPORT_TIMEOUT", "30000"),
            ]),
            (512, 5, Some(2_048)),
        ),
    ] {
        assert_eq!(sizes(builder), expected);
    }
}

#[test]
fn the_other_numbers_reach_the_exporter() {
    let config = config(
        sunk(&[])
            .with_batch_size(BatchSize::Dynamic)
            .with_hold_back(3 * SECOND)
            .with_max_in_flight(9)
            .with_max_request_bytes(1 << 20),
    );
    let expected = BatchConfig::default()
        .with_batch_size(BatchSize::Dynamic)
        .with_hold_back(3 * SECOND)
        .with_max_in_flight(9)
        .with_max_request_bytes(1 << 20);
    assert_eq!(config, expected);
}

#[test]
fn a_value_out_of_range_is_an_error_or_a_line() {
    let month = 30 * 24 * 60 * 60 * SECOND;
    for (builder, expected) in [
        (
            with(&[]).with_max_export_batch_size(0),
            "with_max_export_batch_size=`0`: accepted is 1 to 1048576 spans",
        ),
        (with(&[]).with_max_queue_size(0), "with_max_queue_size=`0`: accepted is 16 to"),
        (with(&[]).with_max_in_flight(0), "with_max_in_flight=`0`: accepted is 1 to 64 requests"),
        (with(&[]).with_max_request_bytes(0), "with_max_request_bytes=`0`: accepted is 65536"),
        // A chunk has 64 KiB.
        (with(&[]).with_budget_bytes(60 << 10), "with_budget_bytes=`61440`: accepted is 1048576"),
        (
            with(&[]).with_scheduled_delay(month + SECOND),
            "with_scheduled_delay=`2592001s`: accepted is 1 ms to 30 days",
        ),
        (
            with(&[]).with_hold_back(month + SECOND),
            "with_hold_back=`2592001s`: accepted is 0 to 30 days",
        ),
        (
            with(&[]).with_max_queue_size(100).with_max_export_batch_size(200),
            "with_max_export_batch_size=`200`: accepted is at most with_max_queue_size, 100 spans",
        ),
        (
            with(&[]).with_max_export_batch_size(4_096).with_batch_preset(BatchPreset::Production),
            "with_max_export_batch_size=`4096`: accepted is at most with_max_queue_size, 2048",
        ),
    ] {
        let error = error(builder).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let defaults = sizes(sunk(&[]));
    for (name, value, accepted) in [
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "milliseconds, 1 to 2592000000 (30 days)"),
        ("OTEL_BSP_SCHEDULE_DELAY", "2592000001", "milliseconds, 1 to 2592000000 (30 days)"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-5", "milliseconds, 1 to 2592000000 (30 days)"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "1 to 1048576 spans"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999999999999999999", "1 to 1048576 spans"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "16 to 16777216 spans"),
        ("SPANWISE_BUDGET_BYTES", "61440", "1048576 (1 MiB) to 17179869184 (16 GiB) bytes"),
    ] {
        let lines = lines(sunk(&[(name, value)]));
        assert_eq!(lines, [format!("{name}=`{value}` is ignored: accepted is {accepted}")]);
        assert_eq!(sizes(sunk(&[(name, value)])), defaults, "{name}");
    }
    // The batch of a variable above the queue: one line, and a request has at most the queue.
    let pair: Variables<'_> =
        &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "300"), ("OTEL_BSP_MAX_QUEUE_SIZE", "200")];
    assert_eq!(lines(sunk(pair)).len(), 1);
    assert_eq!(sizes(sunk(pair)), (200, 1, Some(200)));
}

/// The preset's timeout is 30 s, the method's 50 ms.
#[test]
fn an_export_timeout_precedes_that_of_the_preset() {
    let spanwise = with(&[])
        .with_sink(|_| std::future::pending())
        .with_export_timeout(Duration::from_millis(50))
        .with_batch_preset(BatchPreset::Specification)
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    let report = spanwise.force_flush_timeout(LONG);
    let dropped = match report {
        Ok(report) => report.ledger.dropped_total(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(dropped, 1);
}

/// The delay of an hour leaves the spans where they are until it changes.
#[test]
fn the_delay_changes_while_the_provider_runs() {
    let spanwise = sunk(&[]).with_scheduled_delay(3600 * SECOND).build().unwrap();
    let tracer = spanwise.tracer("x");
    (0..10).for_each(|_| drop(tracer.start("span")));
    assert_eq!(spanwise.ledger().exported, 0);
    let batching = spanwise.batching();
    batching.update(|config| config.with_scheduled_delay(Duration::from_millis(1))).unwrap();
    assert_eq!(spanwise.batching().load(), batching.load(), "handles share the settings");
    let patience = std::time::Instant::now() + LONG;
    while spanwise.ledger().exported < 10 {
        assert!(std::time::Instant::now() < patience, "{}", spanwise.ledger());
        std::thread::yield_now();
    }
    let error = batching.update(|config| config.with_max_in_flight(0)).unwrap_err();
    assert_eq!(error.to_string(), "with_max_in_flight is 0; accepted is 1 to 64 requests");
    spanwise.shutdown_timeout(LONG).unwrap();
    batching.update(|config| config.with_max_in_flight(2)).unwrap();
}

#[test]
fn a_provider_without_an_exporter_has_settings_without_effect() {
    let disabled = with(&[("OTEL_SDK_DISABLED", "true")]).build().unwrap();
    let none: Spanwise = with(&[("OTEL_TRACES_EXPORTER", "none")]).build().unwrap();
    for spanwise in [disabled, none] {
        assert!(spanwise.batching().update(|config| config.with_max_in_flight(65)).is_err());
        spanwise.batching().update(|config| config.with_max_in_flight(64)).unwrap();
        assert_eq!(*spanwise.batching().load(), BatchConfig::default());
    }
}
