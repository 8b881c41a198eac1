//! Explanations of settings.

use crate::printed::{Printed, SECRET, with_query};
use spanwise::{MetricsExport, Spanwise, SpanwiseBuilder};

/// Prints the explanation of a builder, each of its rows, and its JSON.
pub fn explain(printed: &Printed, builder: &SpanwiseBuilder) {
    let explained = builder.explain();
    printed.result("Explanation", &explained);
    let Ok(explanation) = explained else { return };
    printed.error("Explanation", &explanation);
    for row in explanation.iter() {
        printed.error("EffectiveSetting", row);
        printed.error("Origin", &row.origin);
    }
    printed.debug("JSON", explanation.to_json());
}

/// The settings that are in force, each with the secret at every place that may hold one.
pub fn settings_in_force_do_not_show_their_secrets(printed: &Printed) {
    let set = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", with_query("collector.example/v1/traces")),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{SECRET}")),
        ("HTTP_PROXY", format!("http://{SECRET}:{SECRET}@proxy.example:3128")),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote".to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", with_query("endpoint=http://jaeger.example/")),
    ];
    let lookup =
        move |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone());
    let builder = Spanwise::builder()
        .with_environment(lookup)
        .with_diagnostics(|_| {})
        .with_header("x-token", SECRET);
    assert!(builder.explain().is_ok());
    explain(printed, &builder);
    let metrics = MetricsExport::new()
        .with_endpoint(with_query("metrics.example/v1/metrics"))
        .with_header("x-token", SECRET);
    printed.debug("MetricsExport", &metrics);
    let exported = builder.clone().with_metrics_export(metrics);
    assert!(exported.explain().is_ok());
    explain(printed, &exported);
    let proxy = format!("http://{SECRET}:{SECRET}@proxy.example:3128");
    explain(printed, &builder.with_proxy(proxy));
}
