//! The settings of batching: their ranges, presets, and changes while the exporter runs.

use spanwise_batch::{AdaptiveBatchSize, BatchLimits, BatchPreset, BatchSize};
use spanwise_export::{BatchConfig, BuildError, DynamicBatchConfig, Exporter, ExporterBuilder};
use spanwise_transport::{Outcome, Transport};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn builder() -> ExporterBuilder {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
}

fn built(set: impl FnOnce(ExporterBuilder) -> ExporterBuilder) -> BatchConfig {
    let (_queue, prepared) = set(builder()).prepare().unwrap();
    (*prepared.batching().load()).clone()
}

fn fixed(spans: usize, bytes: usize) -> BatchSize {
    BatchSize::Fixed(BatchLimits { spans, bytes })
}

fn adaptive() -> AdaptiveBatchSize {
    AdaptiveBatchSize::default()
}

#[test]
fn a_setting_out_of_range_is_an_error_that_names_it() {
    type Set = fn(ExporterBuilder) -> ExporterBuilder;
    let cases: [(Set, &str); 22] = [
        (
            |builder| builder.with_budget_bytes(0),
            "with_budget_bytes is 0; accepted is 1048576 to 17179869184 bytes",
        ),
        // A chunk of the usual size has 64 KiB.
        (
            |builder| builder.with_budget_bytes(60 << 10),
            "with_budget_bytes is 61440; accepted is 1048576 to 17179869184 bytes",
        ),
        (
            |builder| builder.with_max_in_flight(0),
            "with_max_in_flight is 0; accepted is 1 to 64 requests",
        ),
        (
            |builder| builder.with_max_in_flight(65),
            "with_max_in_flight is 65; accepted is 1 to 64 requests",
        ),
        (
            |builder| builder.with_max_export_batch_size(0),
            "with_max_export_batch_size is 0; accepted is 1 to 1048576 spans",
        ),
        (
            |builder| builder.with_max_export_batch_size((1 << 20) + 1),
            "with_max_export_batch_size is 1048577; accepted is 1 to 1048576 spans",
        ),
        (
            |builder| builder.with_max_request_bytes(0),
            "with_max_request_bytes is 0; accepted is 65536 to 3932160 bytes",
        ),
        (
            |builder| builder.with_max_request_bytes(1 << 30),
            "with_max_request_bytes is 1073741824; accepted is 65536 to 3932160 bytes",
        ),
        (
            |builder| builder.with_max_queue_size(0),
            "with_max_queue_size is 0; accepted is 16 to 16777216 spans",
        ),
        (
            |builder| builder.with_max_queue_size(15),
            "with_max_queue_size is 15; accepted is 16 to 16777216 spans",
        ),
        (
            |builder| builder.with_max_queue_size(100).with_max_export_batch_size(101),
            "with_max_export_batch_size is 101; accepted is at most with_max_queue_size, 100 spans",
        ),
        // The preset's queue.
        (
            |builder| {
                builder.with_max_export_batch_size(2_049).with_batch_preset(BatchPreset::Production)
            },
            "with_max_export_batch_size is 2049; accepted is at most with_max_queue_size, 2048 spans",
        ),
        (
            |builder| builder.with_scheduled_delay(Duration::ZERO),
            "with_scheduled_delay is 0ns; accepted is 1 ms to 30 days",
        ),
        (
            |builder| builder.with_scheduled_delay(Duration::from_micros(999)),
            "with_scheduled_delay is 999µs; accepted is 1 ms to 30 days",
        ),
        (
            |builder| builder.with_scheduled_delay(30 * DAY + Duration::from_millis(1)),
            "with_scheduled_delay is 2592000.001s; accepted is 1 ms to 30 days",
        ),
        (
            |builder| builder.with_hold_back(31 * DAY),
            "with_hold_back is 2678400s; accepted is 0 to 30 days",
        ),
        (
            |builder| builder.with_batch_size(fixed(0, 0)),
            "with_batch_size is Fixed with 0 spans and 0 bytes; accepted is at least 1 span and 1 byte",
        ),
        (
            |builder| builder.with_batch_size(fixed(512, 0)),
            "with_batch_size is Fixed with 512 spans and 0 bytes; accepted is at least 1 span and 1 byte",
        ),
        (
            |builder| builder.with_batch_size(BatchSize::Adaptive(adaptive().with_max_spans(0))),
            "with_batch_size is Adaptive with max_spans 0; accepted is at least 1 span",
        ),
        (
            |builder| builder.with_batch_size(BatchSize::Adaptive(adaptive().with_min_bytes(0))),
            "with_batch_size is Adaptive with min_bytes 0 and max_bytes 786432; accepted is min_bytes \
             of at least 1, and max_bytes of at least min_bytes",
        ),
        (
            |builder| builder.with_batch_size(BatchSize::Adaptive(adaptive().with_max_bytes(1))),
            "with_batch_size is Adaptive with min_bytes 16384 and max_bytes 1; accepted is min_bytes \
             of at least 1, and max_bytes of at least min_bytes",
        ),
        (
            |builder| builder.with_resource(vec![0; 1 << 20]),
            "with_resource is 1048576; accepted is 0 to 491520 bytes",
        ),
    ];
    for (set, expected) in cases {
        let built = set(builder()).prepare();
        let Err(error @ BuildError::OutOfRange { .. }) = built.map(drop) else {
            panic!("{expected}")
        };
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_ends_of_each_range_are_accepted() {
    type Set = fn(ExporterBuilder) -> ExporterBuilder;
    let cases: [Set; 14] = [
        |builder| builder.with_budget_bytes(1 << 20),
        |builder| builder.with_max_in_flight(1),
        |builder| builder.with_max_in_flight(64),
        |builder| builder.with_max_export_batch_size(1),
        |builder| builder.with_max_export_batch_size(1 << 20),
        |builder| builder.with_max_request_bytes(64 << 10),
        |builder| builder.with_max_queue_size(16),
        |builder| builder.with_max_queue_size(1 << 24),
        |builder| builder.with_max_queue_size(16).with_max_export_batch_size(16),
        |builder| builder.with_scheduled_delay(Duration::from_millis(1)),
        |builder| builder.with_scheduled_delay(30 * DAY),
        |builder| builder.with_hold_back(30 * DAY),
        |builder| builder.with_batch_size(fixed(1, 1)),
        |builder| {
            let same = adaptive().with_min_bytes(1).with_max_bytes(1).with_max_spans(1);
            builder.with_batch_size(BatchSize::Adaptive(same))
        },
    ];
    for (index, set) in cases.into_iter().enumerate() {
        assert!(set(builder()).prepare().is_ok(), "case {index}");
    }
}

/// A method precedes the preset in whatever order they are called, and the preset precedes the default.
#[test]
fn a_method_precedes_a_preset() {
    let specification = BatchPreset::Specification;
    let config = built(|builder| builder.with_batch_preset(specification));
    let expected = BatchConfig::default()
        .with_max_export_batch_size(512)
        .with_scheduled_delay(5 * SECOND)
        .with_max_queue_size(2_048);
    assert_eq!(config, expected);
    let after =
        built(|builder| builder.with_batch_preset(specification).with_max_export_batch_size(64));
    let before =
        built(|builder| builder.with_max_export_batch_size(64).with_batch_preset(specification));
    assert_eq!((&before, before.max_export_batch_size), (&after, 64));
    assert_eq!(before, expected.with_max_export_batch_size(64));
    // The last preset counts, and leaves what it does not set.
    let config = built(|builder| {
        builder
            .with_max_queue_size(700)
            .with_batch_preset(specification)
            .with_batch_preset(BatchPreset::LowLatency)
    });
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (100, Some(700)));
    assert_eq!(config.scheduled_delay, SECOND);
    // A preset's batch adapts to a smaller queue.
    let config = built(|builder| {
        builder.with_batch_preset(BatchPreset::HighThroughput).with_max_queue_size(300)
    });
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (300, Some(300)));
    assert_eq!(built(|builder| builder), BatchConfig::default());
}

#[test]
fn running_settings_are_checked_and_replaced_together() {
    let exporter = builder().with_batch_preset(BatchPreset::Balanced).build().unwrap();
    let batching = exporter.batching().clone();
    assert_eq!(batching.load().max_export_batch_size, 500);
    let good = BatchConfig::default()
        .with_preset(BatchPreset::Production)
        .with_max_request_bytes(1 << 20)
        .with_max_in_flight(8)
        .with_batch_size(BatchSize::Dynamic)
        .with_hold_back(SECOND);
    batching.set(good.clone()).unwrap();
    assert_eq!(*exporter.batching().load(), good);
    type Set = fn(BatchConfig) -> BatchConfig;
    let cases: [(Set, &str); 8] = [
        (
            |config| config.with_max_export_batch_size(0),
            "with_max_export_batch_size is 0; accepted is 1 to 1048576 spans",
        ),
        (
            |config| config.with_max_request_bytes(1),
            "with_max_request_bytes is 1; accepted is 65536 to 3932160 bytes",
        ),
        (
            |config| config.with_scheduled_delay(31 * DAY),
            "with_scheduled_delay is 2678400s; accepted is 1 ms to 30 days",
        ),
        (
            |config| config.with_max_queue_size(999),
            "with_max_export_batch_size is 1000; accepted is at most with_max_queue_size, 999 spans",
        ),
        (
            |config| config.with_max_queue_size(1),
            "with_max_queue_size is 1; accepted is 16 to 16777216 spans",
        ),
        (
            |config| config.with_max_in_flight(100),
            "with_max_in_flight is 100; accepted is 1 to 64 requests",
        ),
        (
            |config| config.with_hold_back(Duration::MAX),
            "with_hold_back is 18446744073709551615.999999999s; accepted is 0 to 30 days",
        ),
        (
            |config| config.with_batch_size(fixed(0, 1)),
            "with_batch_size is Fixed with 0 spans and 1 bytes; accepted is at least 1 span and 1 byte",
        ),
    ];
    for (set, expected) in cases {
        // A good setting beside a bad one does not apply either.
        let error = batching.update(|config| set(config.with_batch_size(None))).unwrap_err();
        assert_eq!((error.to_string(), format!("{error:?}")), (expected.into(), expected.into()));
        assert_eq!(*batching.load(), good);
    }
}

#[test]
fn a_request_is_at_least_eight_times_its_resource() {
    let exporter = builder().with_resource(vec![0; 20_000]).build().unwrap();
    let error = exporter.batching().update(|config| config.with_max_request_bytes(159_999));
    let expected = "with_max_request_bytes is 159999; accepted is 160000 to 3932160 bytes";
    assert_eq!(error.unwrap_err().to_string(), expected);
    exporter.batching().update(|config| config.with_max_request_bytes(160_000)).unwrap();
}

#[test]
fn settings_without_an_exporter_are_checked() {
    let batching = DynamicBatchConfig::default();
    assert!(batching.update(|config| config.with_max_in_flight(0)).is_err());
    batching.update(|config| config.with_max_in_flight(9)).unwrap();
    assert_eq!(batching.load().max_in_flight, 9);
}

/// Each request repeats the resource, so it is a small part of the budget and of a request.
#[test]
fn a_resource_has_a_sixteenth_of_the_budget_and_an_eighth_of_a_request_at_most() {
    let small = builder().with_budget_bytes(1 << 20);
    assert_eq!(small.max_resource_bytes(), small.span_budget_bytes() / 16);
    let large = builder().with_budget_bytes(1 << 30).with_max_request_bytes(1 << 20);
    assert_eq!(large.max_resource_bytes(), (1 << 20) / 8);
}
