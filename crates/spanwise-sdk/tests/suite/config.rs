//! Configuration from code, environment variables and defaults: precedence, errors and diagnostics.

use crate::support;

use opentelemetry::trace::{
    Span as _, SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Compression, Protocol, SpanLimits, Spanwise, SpanwiseBuilder};
use spanwise_testkit::{attributes_map, decode, spans};
use std::time::Duration;
use support::{DiagnosticLog, LONG};

/// A builder whose environment has these variables.
fn with(variables: &[(&str, &str)]) -> SpanwiseBuilder {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_shutdown_timeout(Duration::ZERO)
        .with_environment(move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
}

fn error(builder: SpanwiseBuilder) -> String {
    match builder.build() {
        Ok(_) => panic!("it was built"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn errors_name_the_setting_the_value_and_the_accepted_range() {
    let one_mib = "with_budget_bytes=`1000`: accepted is 1048576";
    let mut tiny = SpanLimits::default();
    tiny.span_bytes = 10;
    for (builder, parts) in [
        (
            with(&[]).with_endpoint("localhost:4318"),
            &["with_endpoint", "localhost:4318", "http"][..],
        ),
        (with(&[]).with_endpoint("ftp://a"), &["with_endpoint", "ftp://a", "https"]),
        (with(&[]).with_endpoint("http://"), &["with_endpoint"]),
        (with(&[]).with_sampling_ratio(1.5), &["with_sampling_ratio=`1.5`", "0, and"]),
        (with(&[]).with_sampling_ratio(f64::NAN), &["with_sampling_ratio=`NaN`"]),
        (with(&[]).with_sampling_ratio(1e-300), &["with_sampling_ratio=`1e-300`", "0, and"]),
        (with(&[]).with_sampling_ratio(f64::MAX), &["1.7976931348623157e308`", "0, and"]),
        (with(&[]).with_sampling_ratio(-0.1), &["-0.1"]),
        (with(&[]).with_header("bad name", "secret"), &["with_header", "`bad…`"]),
        (with(&[]).with_header("name", "sec\nret"), &["with_header", "name"]),
        (with(&[]).with_budget_bytes(1000), &[one_mib]),
        (with(&[]).with_max_request_bytes(1), &["with_max_request_bytes=`1`", "3.75 MiB"]),
        (with(&[]).with_max_request_bytes(4 << 20), &["with_max_request_bytes=`4194304`"]),
        (with(&[]).with_max_export_batch_size(0), &["with_max_export_batch_size=`0`"]),
        (with(&[]).with_max_in_flight(0), &["with_max_in_flight"]),
        (with(&[]).with_scheduled_delay(Duration::ZERO), &["with_scheduled_delay"]),
        (with(&[]).with_span_limits(tiny), &["with_span_limits", "span_bytes", "10", "1024"]),
        (
            with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")]),
            &["OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"],
        ),
        (
            with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke")]),
            &["OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"],
        ),
        (
            with(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma")]),
            &["OTEL_EXPORTER_OTLP_COMPRESSION=`lzma`: accepted are none, gzip, zstd"],
        ),
        (
            with(&[]).with_compression(Compression::Gzip).with_compression_level(10),
            &["with_compression_level (of gzip) is 10; accepted is 1 to 9"],
        ),
        (with(&[("OTEL_EXPORTER_OTLP_HEADERS", "secret")]), &["OTEL_EXPORTER_OTLP_HEADERS"]),
        (
            with(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem")]).with_endpoint("https://h"),
            match cfg!(feature = "tls") {
                true => &["OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem"],
                false => &["with_endpoint", "feature `tls`"],
            },
        ),
    ] {
        let error = error(builder);
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        assert!(!error.contains("secret") && !error.contains("ret"), "{error:?} leaks a value");
    }
}

#[test]
fn zstd_is_chosen_by_code_and_by_variable_or_its_feature_is_named() {
    let in_code = with(&[]).with_compression(Compression::Zstd);
    let by_name = with(&[("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", " ZStd ")]);
    let settings = ["with_compression", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"];
    for (builder, setting) in [in_code, by_name].into_iter().zip(settings) {
        if cfg!(feature = "zstd") {
            assert!(builder.with_compression_level(-7).build().is_ok());
            continue;
        }
        let error = error(builder);
        assert!(
            error.starts_with(&format!("{setting}=`zstd`: it needs the feature `zstd`")),
            "{error}"
        );
        assert!(error.contains("use gzip or none"), "{error}");
    }
}

#[test]
fn a_bad_variable_is_reported_once_and_ignored() {
    let log = DiagnosticLog::default();
    let builder = log.attach(with(&[
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
        ("OTEL_SDK_DISABLED", "perhaps"),
        ("OTEL_TRACES_EXPORTER", "pigeon"),
        ("OTEL_RESOURCE_ATTRIBUTES", "broken"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "3"),
        ("SPANWISE_BUDGET_BYTES", "12"),
    ]));
    let spanwise = builder.build().unwrap();
    let lines = log.lines();
    assert_eq!(lines.len(), 8, "{lines:#?}");
    for part in ["sometimes", "soon", "-1", "perhaps", "pigeon", "entry 1", "`3`", "`12`"] {
        assert_eq!(lines.iter().filter(|line| line.contains(part)).count(), 1, "{part}");
    }
    let span = spanwise.tracer("x").start("sampled by default");
    assert!(span.is_recording());
}

/// `OTEL_TRACES_SAMPLER` with each of its values, and its argument.
#[test]
fn a_variable_selects_each_sampler() {
    for (name, argument, root, sampled_child, unsampled_child) in [
        ("always_on", "", true, true, true),
        ("always_off", "", false, false, false),
        ("traceidratio", "0", false, false, false),
        ("traceidratio", "1", true, true, true),
        ("traceidratio", "junk", true, true, true),
        ("parentbased_always_on", "", true, true, false),
        ("parentbased_always_off", "", false, true, false),
        ("parentbased_traceidratio", "0", false, true, false),
        ("parentbased_traceidratio", "1.0", true, true, false),
        ("", "", true, true, false),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let spanwise = with(&variables).build().unwrap();
        let tracer = spanwise.tracer("x");
        let child = |flags| {
            let parent = SpanContext::new(7u128.into(), 7u64.into(), flags, true, TraceState::NONE);
            let cx = Context::new().with_remote_span_context(parent);
            tracer.start_with_context("child", &cx).is_recording()
        };
        let found = (
            tracer.start("r").is_recording(),
            child(TraceFlags::SAMPLED),
            child(TraceFlags::NOT_SAMPLED),
        );
        assert_eq!(found, (root, sampled_child, unsampled_child), "{name} {argument}");
    }
}

#[test]
fn code_precedes_the_signals_variable_which_precedes_the_generic_one() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let here = receiver.http_endpoint();
    let signal = format!("{here}/v1/traces");
    let nowhere = "http://127.0.0.1:9";
    for (builder, delivered) in [
        (with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &here)]), true),
        (with(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &signal)]), true),
        // The exporter adds no path to the signal's endpoint.
        (with(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &here)]), false),
        (
            with(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &signal),
            ]),
            true,
        ),
        (with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)]).with_endpoint(&here), true),
        (with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).with_endpoint(&signal), true),
    ] {
        let before = collected.spans();
        let spanwise = builder.with_export_timeout(Duration::from_millis(300)).build().unwrap();
        drop(spanwise.tracer("x").start("span"));
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(collected.spans() - before, u64::from(delivered));
    }
}

#[test]
fn resource_by_variable_and_code() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let variables = [
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=listed,zone=a%20b,who=variable"),
        ("OTEL_SERVICE_NAME", "named"),
    ];
    let spanwise = with(&variables)
        .with_resource([KeyValue::new("who", "code")])
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&collected.bodies()[0]);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let map = attributes_map(&resource.attributes);
    assert_eq!(map.len(), resource.attributes.len(), "keys are unique");
    for (key, value) in [("service.name", "named"), ("zone", "a b"), ("who", "code")] {
        assert!(format!("{:?}", map[key]).contains(&format!("\"{value}\"")), "{key}");
    }
}

#[test]
fn variables_set_the_span_limits() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let variables = [
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"),
    ];
    let spanwise = with(&variables).with_endpoint(receiver.http_endpoint()).build().unwrap();
    let mut span = spanwise.tracer("x").start("span");
    for key in ["a", "b", "c", "d"] {
        span.set_attribute(KeyValue::new(key, "12345"));
        let four = ["a", "b", "c", "d"].map(|key| KeyValue::new(key, 1));
        span.add_event("e", four.to_vec());
    }
    drop(span);
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&collected.bodies()[0]);
    let span = spans(&request).next().unwrap();
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 2));
    assert_eq!((span.events.len(), span.dropped_events_count), (1, 3));
    assert_eq!(span.events[0].attributes.len(), 3);
    assert!(format!("{:?}", span.attributes[0]).contains("\"1234\""));
}

#[test]
fn a_disabled_provider_passes_contexts_through_and_starts_no_span() {
    let spanwise = with(&[("OTEL_SDK_DISABLED", "TRUE")]).build().unwrap();
    let tracer = spanwise.tracer("x");
    let parent = SpanContext::new(
        7u128.into(),
        9u64.into(),
        TraceFlags::SAMPLED,
        true,
        "a=b".parse().unwrap(),
    );
    let cx = Context::new().with_remote_span_context(parent.clone());
    let span = tracer.start_with_context("child", &cx);
    assert!(!span.is_recording());
    assert_eq!(span.span_context(), &parent);
    assert!(!tracer.start("root").span_context().is_valid());
    drop(span);
    assert_eq!(spanwise.ledger().created, 0);
    spanwise.force_flush_timeout(LONG).unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
}

#[test]
fn two_samplers_are_an_error() {
    let both = with(&[]).with_sampler(Sampler::always_on()).with_sampling_ratio(0.5);
    assert!(error(both).contains("with_sampler is set too"));
}

#[cfg(not(feature = "grpc"))]
#[test]
fn grpc_needs_its_feature() {
    assert!(error(with(&[]).with_protocol(Protocol::Grpc)).contains("feature `grpc`"));
    let by_variable = with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(error(by_variable).contains("feature `grpc`"));
}

#[test]
fn a_variable_selects_json() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.http_endpoint()),
    ];
    let spanwise = with(&variables).build().unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(collected.spans(), 1);
    let wrong = error(with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "json")]));
    assert!(wrong.contains("accepted are http/protobuf, http/json, grpc"), "{wrong}");
}

#[cfg(feature = "grpc")]
#[test]
fn a_variable_selects_grpc() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let authority = receiver.address().to_string();
    for (endpoint, insecure) in [(receiver.http_endpoint(), "false"), (authority, "true")] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", Protocol::Grpc.name()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
        ];
        let before = collected.spans();
        let spanwise = with(&variables).build().unwrap();
        drop(spanwise.tracer("x").start("span"));
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(collected.spans() - before, 1);
    }
}
