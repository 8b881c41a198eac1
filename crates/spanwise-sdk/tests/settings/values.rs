//! Values: names, booleans, timeouts and numbers.

use crate::support::{DiagnosticLog, LONG};
use crate::{Variables, lines, with};
use opentelemetry::trace::Tracer as _;
use spanwise_receiver::Receiver;
use spanwise_sdk::{Protocol, SpanwiseBuilder};
use spanwise_testkit::{Fault, FaultProxy};
use std::time::Duration;

/// Env, *Enum* in the configuration types: values are compared without regard to case.
/// *Parsing empty value*: empty is unset.
#[test]
fn names_are_the_same_in_upper_and_lower_case() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "  http/protobuf\t"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "  "),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZip"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "None"),
        ("OTEL_TRACES_EXPORTER", "Otlp"),
        ("OTEL_TRACES_SAMPLER", "ParentBased_Always_On"),
        ("OTEL_SDK_DISABLED", "False"),
    ] {
        assert_eq!(lines(with(&[(name, value)])), Vec::<String>::new(), "{name}={value}");
    }
    for (name, recording) in [
        ("ALWAYS_OFF", false),
        ("Always_On", true),
        ("TraceIdRatio", false),
        ("PARENTBASED_TRACEIDRATIO", false),
    ] {
        let ratio = ("OTEL_TRACES_SAMPLER_ARG", "0");
        let spanwise = with(&[("OTEL_TRACES_SAMPLER", name), ratio]).build().unwrap();
        assert_eq!(spanwise.tracer("x").start("root").is_recording(), recording, "{name}");
    }
}

/// Env, *Boolean*: true only by a case-insensitive "true"; any other value is false, and a warning
/// if it is not "false".
#[test]
fn a_boolean_that_is_not_true_is_false() {
    for (value, on, reports) in [
        ("true", true, 0),
        ("TRUE", true, 0),
        (" True ", true, 0),
        ("false", false, 0),
        ("FALSE", false, 0),
        ("", false, 0),
        ("1", false, 1),
        ("yes", false, 1),
        ("truee", false, 1),
    ] {
        let log = DiagnosticLog::default();
        let spanwise = log.attach(with(&[("OTEL_SDK_DISABLED", value)])).build().unwrap();
        let disabled = !spanwise.tracer("x").start("root").is_recording();
        assert_eq!((disabled, log.lines().len()), (on, reports), "{value}: {:?}", log.lines());
    }
}

/// Env, *Boolean*: an invalid value of the signal's variable is false and precedes the generic one.
/// Without a scheme, "insecure" false is TLS (OTLP, *Insecure*).
#[cfg(feature = "grpc")]
#[test]
fn a_false_signal_variable_precedes_a_true_generic_one() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let authority = receiver.address().to_string();
    for (signal, generic, plain) in [
        ("perhaps", "true", false),
        ("false", "true", false),
        ("true", "false", true),
        ("", "TRUE", true),
    ] {
        let before = collected.spans();
        let spanwise = with(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &authority),
            ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", signal),
            ("OTEL_EXPORTER_OTLP_INSECURE", generic),
        ])
        .with_export_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
        drop(spanwise.tracer("x").start("span"));
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(collected.spans() - before, u64::from(plain), "{signal} {generic}");
    }
}

/// Env, *Timeout*: a timeout of zero is no limit. The proxy delays each direction by half a second: a
/// timeout of 0 s would lose the span.
#[test]
fn a_timeout_of_zero_is_no_limit() {
    let zeros: Variables<'_> =
        &[("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), ("OTEL_BSP_EXPORT_TIMEOUT", "0")];
    let in_code = |builder: SpanwiseBuilder| {
        builder.with_attempt_timeout(Duration::ZERO).with_export_timeout(Duration::ZERO)
    };
    let protocol = if cfg!(feature = "grpc") { Protocol::Grpc } else { Protocol::HttpProtobuf };
    for (builder, delivered) in [
        (with(zeros), 1),
        (with(zeros).with_protocol(protocol), 1),
        (with(&[("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"), zeros[1]]), 1),
        (in_code(with(&[])), 1),
        // A limit below the delay loses the span.
        (with(&[("OTEL_BSP_EXPORT_TIMEOUT", "100")]), 0),
    ] {
        let (receiver, _collected) = Receiver::collecting().unwrap();
        let proxy = FaultProxy::start(receiver.address()).unwrap();
        proxy.set(Fault::Delay(Duration::from_millis(500)));
        let log = DiagnosticLog::default();
        let builder = log.attach(builder).with_endpoint(proxy.endpoint());
        let spanwise = builder.build().unwrap();
        assert!(log.lines().is_empty(), "{:?}", log.lines());
        drop(spanwise.tracer("x").start("span"));
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.exported, delivered, "{report}");
    }
}

/// Env, *Numeric*: a value that cannot be parsed or is out of range is warned about and treated as
/// not set. *Duration*: not negative.
#[test]
fn a_number_out_of_range_is_reported_and_not_set() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "99999999999999999999999"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1.5"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1048577"),
        ("SPANWISE_BUDGET_BYTES", "1048575"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1"),
        // This variable sets three limits and is reported once.
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many"),
    ] {
        let lines = lines(with(&[(name, value)]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!("{name}=`{value}` is ignored")), "{lines:?}");
    }
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "18446744073709551615"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "18446744073709551615"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1048576"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "2147483647"),
    ] {
        assert_eq!(lines(with(&[(name, value)])), Vec::<String>::new());
    }
}

/// Env, *OTEL_LOG_LEVEL*: the level of the SDK's own reports; unknown values are reported (*Enum*).
#[test]
fn the_log_level_is_that_of_code_or_of_the_variable() {
    let level = |builder: &spanwise_sdk::SpanwiseBuilder| {
        builder.explain().unwrap().get("OTEL_LOG_LEVEL").unwrap().value.clone()
    };
    for (value, expected) in
        [("", "info"), ("Error", "error"), ("WARN", "warn"), ("trace", "debug"), ("fatal", "fatal")]
    {
        let variables = [("OTEL_LOG_LEVEL", value)];
        assert_eq!(level(&with(&variables)), expected);
        assert!(lines(with(&variables)).is_empty());
    }
    let loud = [("OTEL_LOG_LEVEL", "loud")];
    assert_eq!(level(&with(&loud)), "info");
    let expected =
        "OTEL_LOG_LEVEL=`loud` is ignored: accepted is trace, debug, info, warn, error, fatal";
    let reports = lines(with(&loud));
    assert!(reports.len() == 1 && reports[0].starts_with(expected), "{reports:?}");
    let coded = with(&loud).with_log_level(spanwise_sdk::LogLevel::Warn);
    assert_eq!(level(&coded), "warn");
    assert!(lines(coded).is_empty());
}
