//! Errors of `build`: each names the setting that the user wrote.

use crate::{error, lines, sunk, with};
use opentelemetry::KeyValue;
use spanwise_sdk::sampling::JaegerSettings;
use spanwise_sdk::{Protocol, SpanwiseBuilder};
use std::time::Duration;

/// Each error begins with the setting that the user wrote, and `Debug` reads as `Display`.
#[test]
fn errors_name_the_setting_that_was_used() {
    let nanosecond = Duration::from_nanos(1);
    let long = "x".repeat(1 << 20);
    for (builder, start) in [
        (
            with(&[]).with_attempt_timeout(nanosecond),
            "with_attempt_timeout=`1ns`: accepted is 1 ms",
        ),
        (sunk(&[]).with_export_timeout(nanosecond), "with_export_timeout=`1ns`: accepted is 1 ms"),
        (
            with(&[]).with_scheduled_delay(nanosecond),
            "with_scheduled_delay=`1ns`: accepted is 1 ms",
        ),
        (with(&[]).with_scheduled_delay(Duration::ZERO), "with_scheduled_delay=`0ns`"),
        (
            with(&[]).with_scheduled_delay(Duration::from_micros(999)),
            "with_scheduled_delay=`999µs`",
        ),
        (with(&[]).with_service_name(long.clone()), "with_service_name=`1048576 bytes`"),
        (with(&[]).with_schema_url(long.clone()), "with_schema_url=`1048576 bytes`"),
        (with(&[]).with_resource([KeyValue::new("a", long)]), "with_resource=`"),
    ] {
        let error = error(builder);
        assert!(error.to_string().starts_with(start), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    for builder in [
        with(&[]).with_scheduled_delay(Duration::from_millis(1)),
        with(&[]).with_attempt_timeout(Duration::from_millis(1)),
        with(&[]).with_export_timeout(Duration::MAX),
    ] {
        assert!(lines(builder).is_empty());
    }
}

/// OTLP, *Client certificate file* and *Client key file*: each needs the other.
#[test]
fn a_client_certificate_without_its_key_is_an_error_and_so_is_the_reverse() {
    for (name, other) in [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    ] {
        let error = error(with(&[(name, "/no/such.pem")]).with_endpoint("https://h")).to_string();
        assert!(
            error.starts_with(&format!("{name}=`/no/such.pem`: {other} is missing")),
            "{error}"
        );
        assert!(lines(with(&[(name, "")])).is_empty());
    }
}

/// The error names the variable whose file cannot be used.
#[test]
#[cfg(feature = "tls")]
fn an_unusable_file_is_named_by_its_variable() {
    const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
    let both = [(CERTIFICATE, "/no/such.pem"), (KEY, "/no/such.key")];
    let error = error(with(&both).with_endpoint("https://h")).to_string();
    assert!(error.starts_with(&format!("{CERTIFICATE}=`/no/such.pem`: ")), "{error}");
    assert!(error.contains("accepted is the path of a readable PEM file"), "{error}");
    let in_code = with(&both).with_client_certificate_pem("hunter2", "hunter2");
    let error = crate::error(in_code.with_endpoint("https://h")).to_string();
    assert!(error.starts_with("with_client_certificate_pem=`[7 bytes]`: "), "{error}");
}

/// The error for a missing feature contains the line for `Cargo.toml`.
#[test]
fn a_missing_feature_comes_with_its_line_in_cargo_toml() {
    let check = |builder: SpanwiseBuilder, setting: &str, feature: &str| {
        let error = error(builder);
        let line = format!("features = [\"{feature}\"]");
        for part in [setting, &line, "to spanwise or spanwise-sdk in Cargo.toml"] {
            assert!(error.to_string().contains(part), "{error} lacks {part}");
        }
        assert_eq!(format!("{error:?}"), error.to_string());
    };
    if cfg!(not(feature = "grpc")) {
        let variable = "OTEL_EXPORTER_OTLP_PROTOCOL";
        check(with(&[]).with_protocol(Protocol::Grpc), "with_protocol=`grpc`", "grpc");
        check(with(&[(variable, "gRPC")]), variable, "grpc");
    }
    if cfg!(not(feature = "tls")) {
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
        check(with(&[]).with_endpoint("https://h"), "with_endpoint=`https://h", "tls");
        check(with(&[(variable, "https://h")]), variable, "tls");
        let jaeger = JaegerSettings::default().with_endpoint("https://h").unwrap();
        check(with(&[]).with_remote_sampling(jaeger), "with_remote_sampling", "tls");
    }
}
