//! Variables that the specification knows and that have no effect here.

use super::BuildError;
use super::environment::Environment;
use super::exporter::{CERTIFICATE, INSECURE};
use super::shown::REDACTED;
use spanwise_transport::Protocol;

/// Reports each of them that is set. Values are not shown: some are passwords.
pub(super) fn report(environment: &Environment) {
    for (names, reason) in UNSUPPORTED {
        for name in *names {
            if environment.is_set(name) {
                environment.unused(name, *reason);
            }
        }
    }
}

/// Reports what the OTLP exporter has no use for over `protocol`.
pub(super) fn report_otlp(environment: &Environment, protocol: Protocol) {
    if protocol != Protocol::Grpc {
        report_set(environment, INSECURE, "over HTTP the scheme of the endpoint says it");
    }
}

/// Reports a certificate to trust where nobody is asked for one.
pub(super) fn report_certificate(environment: &Environment) {
    report_set(environment, CERTIFICATE, "the endpoint is http, not https");
}

/// # Errors
/// One is set. Without it the receiver would not know who sends, or would refuse.
pub(super) fn refuse_client_certificates(environment: &Environment) -> Result<(), BuildError> {
    match CLIENT_CERTIFICATES.into_iter().find(|name| environment.is_set(name)) {
        None => Ok(()),
        Some(name) => Err(BuildError::setting(
            name,
            REDACTED,
            "client certificates are not supported; unset it, and authenticate by a header \
             (OTEL_EXPORTER_OTLP_HEADERS) or through a collector nearby that has the certificate",
        )),
    }
}

fn report_set<const N: usize>(environment: &Environment, names: [&'static str; N], reason: &str) {
    for name in names {
        if environment.is_set(name) {
            environment.unused(name, reason);
        }
    }
}

const CLIENT_CERTIFICATES: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
];

/// Whatever the exporter is.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (
        &["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"],
        "configuration files are not read; set variables or the builder's methods",
    ),
    (
        &["OTEL_PROPAGATORS"],
        "propagators are set in code, by opentelemetry::global::set_text_map_propagator",
    ),
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
