//! Settings without effect: the provider does not check them, or reports them.

use crate::{Variables, error, lines, sunk, with};
use opentelemetry::KeyValue;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Exporter, SpanLimits, SpanwiseBuilder};
use std::time::Duration;

/// The variables of the endpoint, each with an invalid value.
const BROKEN: Variables<'static> = &[
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "no value"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem"),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/no/such.pem"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/no/such.pem"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
    ("OTEL_EXPORTER_OTLP_INSECURE", "perhaps"),
];

fn broken(more: Variables<'static>) -> Vec<(&'static str, &'static str)> {
    more.iter().chain(BROKEN).copied().collect()
}

/// Invalid settings in code of the endpoint.
fn wrong(builder: SpanwiseBuilder) -> SpanwiseBuilder {
    builder
        .with_endpoint("nonsense")
        .with_header("bad name", "value")
        .with_certificate_pem("no certificate")
        .with_client_certificate_files("/no/such.pem", "/no/such.key")
}

/// Env, *OTEL_SDK_DISABLED*: "a no-op SDK implementation". *Exporter selection*: "none". A sink uses no
/// setting of the network.
#[test]
fn unused_settings_are_not_checked() {
    let disabled = [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_SAMPLER_ARG", "x")];
    let none: Variables<'_> = &[("OTEL_TRACES_EXPORTER", "none")];
    for builder in [
        with(&broken(&[("OTEL_SDK_DISABLED", "TRUE")])),
        with(&broken(none)),
        with(BROKEN).with_exporter(Exporter::None),
        sunk(BROKEN),
    ] {
        assert_eq!(lines(builder), Vec::<String>::new());
    }
    let numbers = |builder: SpanwiseBuilder| {
        let limits = SpanLimits::default().with_span_bytes(1);
        builder
            .with_budget_bytes(1)
            .with_scheduled_delay(Duration::ZERO)
            .with_max_in_flight(0)
            .with_max_request_bytes(1)
            .with_max_export_batch_size(0)
            .with_span_limits(limits)
            .with_resource([KeyValue::new("huge", "x".repeat(1 << 20))])
            .with_attempt_timeout(Duration::from_nanos(1))
    };
    for builder in [with(&disabled).with_sampling_ratio(7.0), with(none)] {
        assert_eq!(lines(numbers(wrong(builder))), Vec::<String>::new());
    }
    // The author of the code chose both the sink and these.
    let expected =
        ["with_endpoint", "with_header", "with_certificate_pem", "with_client_certificate_files"];
    let unused = |setting| format!("{setting} has no effect: requests go to the sink");
    assert_eq!(lines(wrong(sunk(&[]))), expected.map(unused));
    let compressed = sunk(&[]).with_compression_level(3).with_compression_threshold(1);
    let expected = ["with_compression_level", "with_compression_threshold"];
    assert_eq!(lines(compressed), expected.map(unused));
    // An invalid value in code is an error where the provider uses it.
    error(with(none).with_sampling_ratio(7.0));
    error(numbers(sunk(&[])));
}

/// OTLP, *Certificate File*: "should only be used for a secure connection". *Insecure*: "only
/// applies to OTLP/gRPC when an endpoint is provided without the http or https scheme".
#[test]
fn variables_that_the_endpoint_ignores_are_reported() {
    for (variable, reason) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "http, not https"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "http, not https"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "scheme"),
        ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "scheme"),
    ] {
        let lines = lines(with(&[(variable, "/no/such.pem")]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(variable) && lines[0].contains(reason), "{lines:?}");
    }
    let in_code = with(&[]).with_endpoint("http://h").with_certificate_pem("no certificate");
    assert!(lines(in_code).is_empty());
    // The signal's variable, or code, replaces a generic variable, which is then unused.
    assert!(lines(with(BROKEN_BELOW).with_compression(spanwise_sdk::Compression::None)).is_empty());
}

const BROKEN_BELOW: Variables<'static> = &[
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "no value"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
];

/// Env: variables of the specification without an effect here. The provider reports each once and does
/// not print its value.
#[test]
fn each_known_variable_without_effect_is_reported_once() {
    let names = [
        "OTEL_PROPAGATORS",
        "OTEL_ENTITIES",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        "OTEL_EXPORTER_JAEGER_AGENT_HOST",
        "OTEL_EXPORTER_JAEGER_AGENT_PORT",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_EXPORTER_JAEGER_PASSWORD",
        "OTEL_EXPORTER_JAEGER_PROTOCOL",
        "OTEL_EXPORTER_JAEGER_TIMEOUT",
        "OTEL_EXPORTER_JAEGER_USER",
        "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
        "OTEL_EXPORTER_OTLP_SPAN_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_INSECURE",
        "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
        "OTEL_TRACES_SAMPLER_ARG",
    ];
    let variables = names.map(|name| (name, "canary"));
    let reports = lines(with(&variables));
    assert_eq!(reports.len(), names.len(), "{reports:#?}");
    for name in names {
        let start = format!("{name} has no effect: ");
        assert_eq!(reports.iter().filter(|line| line.starts_with(&start)).count(), 1, "{name}");
    }
    assert!(!reports.concat().contains("canary"));
    for sampler in ["always_on", "ParentBased_Always_Off"] {
        let reports =
            lines(with(&[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "1")]));
        assert!(reports.len() == 1 && reports[0].contains("takes no argument"), "{reports:?}");
    }
    // A sampler in code replaces both variables, and the provider reports neither.
    let coded = with(&[("OTEL_TRACES_SAMPLER", "odd")]).with_sampler(Sampler::always_on());
    assert!(lines(coded).is_empty());
}
