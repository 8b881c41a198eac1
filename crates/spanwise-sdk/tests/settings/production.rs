//! The production preset: its values, its origins, and the settings that precede it.

use crate::{Variables, sunk, with};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{BatchPreset, SpanwiseBuilder};
use std::time::Duration;

/// Variables with values that no preset and no default has.
const VARIABLES: Variables<'static> = &[
    ("OTEL_TRACES_SAMPLER", "always_on"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "77"),
    ("OTEL_BSP_SCHEDULE_DELAY", "7000"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "777"),
    ("SPANWISE_BUDGET_BYTES", "8388608"),
];

/// Sampler, batch size, delay and queue size, each with its origin.
fn explained(builder: &SpanwiseBuilder) -> [(String, String); 4] {
    let explanation = builder.explain().unwrap();
    [
        "OTEL_TRACES_SAMPLER",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_MAX_QUEUE_SIZE",
    ]
    .map(|name| {
        let row = explanation.get(name).unwrap();
        (row.value.clone(), row.origin.to_string())
    })
}

#[test]
fn the_preset_has_the_documented_values_and_precedes_the_variables() {
    let builder = with(VARIABLES).with_production_preset();
    let rows = explained(&builder);
    let ratio = Sampler::probability(0.1).unwrap().parent_based();
    let described = explained(&with(&[]).with_sampler(ratio))[0].0.clone();
    let values = rows.each_ref().map(|(value, _)| &**value);
    assert_eq!(values, [&*described, "1000", "5000", "2048"]);
    assert!(rows.iter().all(|(_, origin)| origin == "code: with_production_preset"), "{rows:?}");
    // The budget is no part of the preset.
    let explanation = builder.explain().unwrap();
    assert_eq!(explanation.get("SPANWISE_BUDGET_BYTES").unwrap().value, "8388608");

    let spanwise = sunk(VARIABLES).with_production_preset().build().unwrap();
    let config = spanwise.batching().load();
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (1_000, Some(2_048)));
    assert_eq!(config.scheduled_delay, Duration::from_secs(5));
    let tracer = spanwise.tracer("shop");
    let root = || tracer.root("GET /", spanwise_sdk::SpanKind::Server);
    let sampled = (0..10_000).filter(|_| root().is_recording()).count();
    // Six standard deviations around 1,000.
    assert!((820..1_180).contains(&sampled), "{sampled}");
}

#[test]
fn methods_precede_the_preset_in_whatever_order() {
    let method = |builder: SpanwiseBuilder| {
        let builder = builder.with_max_queue_size(20_000).with_sampling_ratio(0.5);
        builder.with_scheduled_delay(Duration::from_secs(2))
    };
    let after = method(with(&[]).with_production_preset());
    let before = method(with(&[])).with_production_preset();
    assert_eq!(explained(&after), explained(&before));
    let rows = explained(&after).map(|(value, origin)| format!("{value} ({origin})"));
    assert!(
        rows[0].contains("0.5") && rows[0].ends_with("(code: with_sampling_ratio)"),
        "{rows:?}"
    );
    assert_eq!(
        rows[1..],
        [
            "1000 (code: with_production_preset)",
            "2000 (code: with_scheduled_delay)",
            "20000 (code: with_max_queue_size)",
        ]
    );
}

#[test]
fn another_preset_of_batching_and_another_sampler_precede_the_preset() {
    let builder = with(&[]).with_batch_preset(BatchPreset::HighThroughput);
    let builder = builder.with_production_preset().with_sampler(Sampler::always_off());
    let rows = explained(&builder).map(|(value, origin)| format!("{value} ({origin})"));
    assert!(rows[0].ends_with("(code: with_sampler)"), "{rows:?}");
    assert_eq!(
        rows[1..],
        ["2000 (code: with_batch_preset)", "10000 (code: with_batch_preset)", "none (default)"]
    );
}
