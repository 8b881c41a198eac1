//! Variables of the specification that have no effect here.

use super::environment::Environment;

/// Reports each of these variables that is set, without its value: some are passwords.
pub(super) fn report(environment: &Environment) {
    for (names, reason) in UNSUPPORTED {
        environment.report_unused(names, reason);
    }
}

/// The variables that no exporter supports.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (&["OTEL_LOG_LEVEL"], "reports have no level; choose among them in with_diagnostics"),
    (&["OTEL_ENTITIES"], "entities are not supported; use OTEL_RESOURCE_ATTRIBUTES"),
    (
        &["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT"],
        "there is no Zipkin exporter; set OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        &[
            "OTEL_EXPORTER_JAEGER_AGENT_HOST",
            "OTEL_EXPORTER_JAEGER_AGENT_PORT",
            "OTEL_EXPORTER_JAEGER_ENDPOINT",
            "OTEL_EXPORTER_JAEGER_PASSWORD",
            "OTEL_EXPORTER_JAEGER_PROTOCOL",
            "OTEL_EXPORTER_JAEGER_TIMEOUT",
            "OTEL_EXPORTER_JAEGER_USER",
        ],
        "there is no Jaeger exporter; Jaeger takes OTLP: set OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        &["OTEL_EXPORTER_OTLP_SPAN_INSECURE", "OTEL_EXPORTER_OTLP_SPAN_CERTIFICATE"],
        "the name is obsolete; it is OTEL_EXPORTER_OTLP_TRACES_… now",
    ),
];
