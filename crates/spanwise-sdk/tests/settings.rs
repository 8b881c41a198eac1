//! Settings to the letter: what wins, what a value means, what is checked and what is said.
//!
//! "Env" is the specification's *Environment Variable Specification*, "OTLP" its *OpenTelemetry
//! Protocol Exporter*.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::Tracer as _;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::sampling::{JaegerSettings, Sampler, XraySettings};
use spanwise_sdk::{
    BuildError, Exporter, Protocol, SpanKind, SpanLimits, Spanwise, SpanwiseBuilder,
};
use spanwise_testkit::{Fault, FaultProxy, attributes_map, decode, spans};
use spanwise_transport::Outcome;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{LONG, Said};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A builder in an environment of these variables.
fn with(variables: Variables<'_>) -> SpanwiseBuilder {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_shutdown_timeout(Duration::ZERO)
        .with_environment(move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
}

fn sunk(variables: Variables<'_>) -> SpanwiseBuilder {
    with(variables).with_sink(|_: Bytes| ready(Outcome::Accepted { rejected: 0, message: None }))
}

fn error(builder: SpanwiseBuilder) -> BuildError {
    match builder.build() {
        Ok(_) => panic!("it was built"),
        Err(error) => error,
    }
}

/// What `build` says, if it builds.
fn lines(builder: SpanwiseBuilder) -> Vec<String> {
    let said = Said::default();
    drop(said.listen(builder).build().unwrap());
    said.lines()
}

/// Everything that decides where data goes, and none of it can be used.
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

/// Everything the code can get wrong about the export.
fn wrong(builder: SpanwiseBuilder) -> SpanwiseBuilder {
    builder
        .with_endpoint("nonsense")
        .with_header("bad name", "value")
        .with_certificate_pem("no certificate")
}

/// Env, *OTEL_SDK_DISABLED*: "a no-op SDK implementation". *Exporter selection*: "none". A sink
/// has no use for what leads to a network.
#[test]
fn what_is_not_used_is_not_checked() {
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
    assert_eq!(lines(wrong(sunk(&[]))), Vec::<String>::new());
    // Code that is wrong where it is used stays an error.
    error(with(none).with_sampling_ratio(7.0));
    error(numbers(sunk(&[])));
}

/// OTLP, *Certificate File*: "should only be used for a secure connection". *Insecure*: "only
/// applies to OTLP/gRPC when an endpoint is provided without the http or https scheme".
#[test]
fn what_the_endpoint_has_no_use_for_is_a_line() {
    for (variable, reason) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "http, not https"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "scheme"),
        ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "scheme"),
    ] {
        let lines = lines(with(&[(variable, "/no/such.pem")]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(variable) && lines[0].contains(reason), "{lines:?}");
    }
    let in_code = with(&[]).with_endpoint("http://h").with_certificate_pem("no certificate");
    assert!(lines(in_code).is_empty());
    // A generic variable below one of the signal, or below the code, is not used either.
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
    for (value, on, told) in [
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
        let said = Said::default();
        let spanwise = said.listen(with(&[("OTEL_SDK_DISABLED", value)])).build().unwrap();
        let disabled = !spanwise.tracer("x").start("root").is_recording();
        assert_eq!((disabled, said.lines().len()), (on, told), "{value}: {:?}", said.lines());
    }
}

/// As above: the signal's value is false, whatever the generic one is. Without a scheme,
/// "insecure" false is TLS (OTLP, *Insecure*).
#[cfg(feature = "grpc")]
#[test]
fn a_boolean_that_is_not_true_does_not_fall_through() {
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

/// Env, *Timeout*: a timeout of zero is no limit. Each way takes half a second: a time of
/// 0, taken as it is, would lose the span.
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
        // The same with a limit loses it.
        (with(&[("OTEL_BSP_EXPORT_TIMEOUT", "100")]), 0),
    ] {
        let (receiver, _collected) = Receiver::collecting().unwrap();
        let proxy = FaultProxy::start(receiver.address()).unwrap();
        proxy.set(Fault::Delay(Duration::from_millis(500)));
        let said = Said::default();
        let builder = said.listen(builder).with_endpoint(proxy.endpoint());
        let spanwise = builder.build().unwrap();
        assert!(said.lines().is_empty(), "{:?}", said.lines());
        drop(spanwise.tracer("x").start("span"));
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.exported, delivered, "{report}");
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
        // Read for three limits, said once.
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

fn service_name(builder: SpanwiseBuilder) -> String {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = bodies.clone();
    let spanwise = builder
        .with_sink(move |request: Bytes| {
            kept.lock().unwrap().push(Bytes::copy_from_slice(&request));
            ready(Outcome::Accepted { rejected: 0, message: None })
        })
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&bodies.lock().unwrap()[0]);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let map = attributes_map(&resource.attributes);
    assert_eq!(map.len(), resource.attributes.len(), "keys are unique");
    format!("{:?}", map["service.name"])
}

/// Resource semantic conventions, *service.name*: where it is not specified, `unknown_service:` and
/// the executable. Env: an empty value is no value; OTEL_SERVICE_NAME stands above the list.
#[test]
fn an_empty_service_name_is_none() {
    let attribute = |name: &str| [KeyValue::new("service.name", name.to_owned())];
    let list = |value| with(&[("OTEL_RESOURCE_ATTRIBUTES", value)]);
    for (builder, expected) in [
        (with(&[]).with_service_name(""), "unknown_service:"),
        (with(&[]).with_service_name(" \t"), "unknown_service:"),
        (with(&[]).with_resource(attribute("")), "unknown_service:"),
        (with(&[("OTEL_SERVICE_NAME", "  ")]), "unknown_service:"),
        (list("service.name="), "unknown_service:"),
        (list("service.name=%20"), "unknown_service:"),
        (list("service.name=a,service.name="), "\"a\""),
        (list("service.name=a,service.name=b"), "\"b\""),
        (list("service.name=a").with_service_name(""), "\"a\""),
        (list("service.name=a").with_resource(attribute("b")), "\"b\""),
        (with(&[("OTEL_SERVICE_NAME", "a")]).with_resource(attribute("")), "\"a\""),
        (with(&[]).with_resource(attribute("a")).with_service_name(""), "\"a\""),
        (with(&[]).with_resource(attribute("a")).with_service_name("b"), "\"b\""),
    ] {
        let name = service_name(builder);
        assert!(name.contains(expected), "{name} is not {expected}");
    }
}

/// A receiver that keeps the headers of what it gets.
fn headers(builder: SpanwiseBuilder, protocol: Protocol) -> Vec<(String, String)> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let receiver = Receiver::builder()
        .with_handler(move |export| {
            let headers = export.headers.iter();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
            *keep.lock().unwrap() = headers.collect();
            Answer::Accept
        })
        .start()
        .unwrap();
    let builder = builder.with_protocol(protocol).with_endpoint(receiver.http_endpoint());
    let spanwise = builder.build().unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    std::mem::take(&mut *kept.lock().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// OTLP: an option of the signal takes precedence over the generic one. W3C Baggage, whose form
/// the list has: of two entries with one key the last counts. RFC 9110, 5.1: names of headers are
/// case-insensitive.
#[test]
fn a_header_of_two_sources_is_sent_once() {
    const GENERIC: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    const SIGNAL: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    let cases: [(SpanwiseBuilder, &[(&str, &str)]); 6] = [
        (with(&[(GENERIC, "Api-Key=g")]).with_header("api-key", "code"), &[("api-key", "code")]),
        (
            with(&[(GENERIC, "api-key=g,other=g")]).with_header("API-KEY", "code"),
            &[("api-key", "code"), ("other", "g")],
        ),
        (with(&[(GENERIC, "api-key=g,other=g"), (SIGNAL, "api-key=s")]), &[("api-key", "s")]),
        (with(&[(GENERIC, "api-key=1,Api-Key=2")]), &[("api-key", "2")]),
        (with(&[]).with_header("a", "1").with_header("A", "2"), &[("a", "2")]),
        // What the code replaces is not looked at.
        (with(&[(GENERIC, "api-key=%00")]).with_header("api-key", "code"), &[("api-key", "code")]),
    ];
    for (builder, expected) in cases {
        let mut protocols = vec![Protocol::HttpProtobuf];
        protocols.extend(cfg!(feature = "grpc").then_some(Protocol::Grpc));
        for protocol in protocols {
            let headers = headers(builder.clone(), protocol);
            for name in ["api-key", "other", "a"] {
                let found = headers.iter().filter(|(found, _)| found == name);
                let found: Vec<_> = found.map(|(_, value)| value.as_str()).collect();
                let expected = expected.iter().filter(|(expected, _)| *expected == name);
                let expected: Vec<_> = expected.map(|(_, value)| *value).collect();
                assert_eq!(found, expected, "{name} over {protocol}");
            }
        }
    }
}

/// OTLP, *Client certificate file* and *Client key file*: not supported, and said with a way out.
#[test]
fn client_certificates_are_an_error_where_the_exporter_is_used() {
    for name in [
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    ] {
        let error = error(with(&[(name, "/etc/canary.pem")])).to_string();
        assert!(error.starts_with(name) && error.contains("unset it"), "{error}");
        assert!(!error.contains("canary"), "{error}");
        assert!(lines(with(&[(name, "")])).is_empty());
    }
}

/// Env: variables that the specification lists. One line each, without the value.
#[test]
fn known_variables_that_have_no_effect_say_so_once() {
    let names = [
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "OTEL_PROPAGATORS",
        "OTEL_LOG_LEVEL",
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
    let told = lines(with(&variables));
    assert_eq!(told.len(), names.len(), "{told:#?}");
    for name in names {
        let start = format!("{name} has no effect: ");
        assert_eq!(told.iter().filter(|line| line.starts_with(&start)).count(), 1, "{name}");
    }
    assert!(!told.concat().contains("canary"));
    for sampler in ["always_on", "ParentBased_Always_Off"] {
        let told =
            lines(with(&[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "1")]));
        assert!(told.len() == 1 && told[0].contains("takes no argument"), "{told:?}");
    }
    // The code's sampler has no use for either: nobody asked.
    let coded = with(&[("OTEL_TRACES_SAMPLER", "odd")]).with_sampler(Sampler::always_on());
    assert!(lines(coded).is_empty());
}

/// Errors and reports show neither a URL's user and query, nor an argument, a header or a key.
#[test]
fn no_secret_shows() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----";
    let mut shown = Vec::new();
    for url in [
        "http://user:hunter2@h",
        "ftp://user:hunter2@h/",
        "user:hunter2@h:4317",
        "ftp://h/?key=hunter2",
        "ftp://user:pass?hunter2@h",
        "hunter2:hunter2@",
    ] {
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ] {
            shown.push(format!("{0} {0:?}", error(with(&[(name, url)]))));
        }
        let builder = with(&[]).with_endpoint(url);
        shown.push(format!("{builder:?}"));
        shown.push(format!("{0} {0:?}", error(builder)));
        for name in [
            "OTEL_TRACES_SAMPLER",
            "OTEL_TRACES_EXPORTER",
            "OTEL_SDK_DISABLED",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_BSP_SCHEDULE_DELAY",
            "SPANWISE_BUDGET_BYTES",
        ] {
            shown.extend(lines(with(&[(name, url)])));
        }
        for sampler in ["traceidratio", "jaeger_remote", "xray"] {
            for argument in [
                url.to_owned(),
                format!("endpoint={url}"),
                format!("endpoint={url},pollingIntervalMs=x"),
                format!("hunter2={url}"),
                "hunter2".to_owned(),
                "api-key=hunter2".to_owned(),
                "pollingIntervalMs=hunter2,polling_interval=hunter2".to_owned(),
                "endpoint=http://user:hun,hunter2@h".to_owned(),
            ] {
                let sampler = ("OTEL_TRACES_SAMPLER", sampler);
                let told = lines(with(&[sampler, ("OTEL_TRACES_SAMPLER_ARG", &argument)]));
                assert!(!told.is_empty(), "{argument} is refused");
                shown.extend(told);
            }
        }
        if let Ok(settings) = JaegerSettings::default().with_endpoint(url) {
            let builder = with(&[]).with_remote_sampling(settings);
            shown.push(format!("{builder:?} {:?}", error(builder.clone())));
        }
        if let Ok(settings) = XraySettings::default().with_endpoint(url) {
            let builder = with(&[]).with_remote_sampling(settings);
            shown.push(format!("{builder:?} {:?}", error(builder.clone())));
        }
    }
    for list in [
        "hunter2",
        "Authorization: Basic hunter2==",
        "a=b,x y=hunter2",
        "te=hunter2",
        "a=hunter2%0a",
        "hunter2 hunter2=b",
    ] {
        shown.push(format!("{0} {0:?}", error(with(&[("OTEL_EXPORTER_OTLP_HEADERS", list)]))));
    }
    let builder = with(&[]).with_header("Authorization: Bearer hunter2", "");
    shown.push(format!("{builder:?} {:?}", error(builder.clone())));
    for path in [PEM, "MIIhunter2", &PEM.replace('\n', "\\n")] {
        let variable = ("OTEL_EXPORTER_OTLP_CERTIFICATE", path);
        shown.push(format!("{0} {0:?}", error(with(&[variable]).with_endpoint("https://h"))));
    }
    let pem = with(&[]).with_endpoint("https://h").with_certificate_pem(PEM);
    shown.push(format!("{pem:?}"));
    if cfg!(feature = "tls") {
        for pem in [PEM, "-----BEGIN hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n"] {
            let builder = with(&[]).with_endpoint("https://h").with_certificate_pem(pem);
            let error = error(builder).to_string();
            assert!(error.starts_with("with_certificate_pem=`["), "{error}");
            shown.push(error);
        }
    }
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

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

/// What is not compiled in is said with the line to write.
#[test]
fn a_missing_feature_comes_with_its_line_in_cargo_toml() {
    let check = |builder: SpanwiseBuilder, setting: &str, feature: &str| {
        let error = error(builder);
        let line = format!("features = [\"{feature}\"]");
        for part in [setting, &line, "Cargo.toml", "spanwise-sdk"] {
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

/// Variables of a process that are not UTF-8. Each runs in a process of its own, this binary
/// started again.
#[cfg(unix)]
mod not_utf8 {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    const CASE: &str = "SPANWISE_TEST_CASE";

    /// Nothing by itself: the other process's part.
    #[test]
    fn child() {
        if std::env::var(CASE).is_err() {
            return;
        }
        let said = Said::default();
        match said.listen(Spanwise::builder()).build() {
            Ok(spanwise) => {
                let span = spanwise.tracer("x").root("root", SpanKind::Internal);
                println!("built: recording={} {:?}", span.is_recording(), said.lines());
                let _late = spanwise.shutdown_timeout(Duration::ZERO);
            }
            Err(error) => println!("failed: {error:?}"),
        }
    }

    fn run(variables: &[(&str, &[u8])]) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "not_utf8::child", "--nocapture", "--test-threads", "1"]);
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"OTEL_") {
                command.env_remove(name);
            }
        }
        command.env(CASE, "1");
        for (name, value) in variables {
            command.env(name, OsStr::from_bytes(value));
        }
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    #[test]
    fn it_is_an_error_or_a_line_and_never_unset() {
        const BYTES: &[u8] = b"hunter2\xff";
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        ] {
            let out = run(&[(name, BYTES)]);
            assert!(out.contains(&format!("failed: {name}=`")), "{out}");
            assert!(!out.contains("hunter2"), "{out}");
        }
        let https: (&str, &[u8]) = ("OTEL_EXPORTER_OTLP_ENDPOINT", b"https://localhost:1");
        let out = run(&[https, ("OTEL_EXPORTER_OTLP_CERTIFICATE", BYTES)]);
        assert!(out.contains("failed: OTEL_EXPORTER_OTLP_CERTIFICATE=`[not UTF-8]`"), "{out}");
        for name in [
            "OTEL_SERVICE_NAME",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_SDK_DISABLED",
            "OTEL_TRACES_EXPORTER",
            "OTEL_TRACES_SAMPLER",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_PROPAGATORS",
        ] {
            let out = run(&[(name, BYTES)]);
            assert!(out.contains("built: recording=true"), "{out}");
            assert!(out.contains(name) && !out.contains("hunter2"), "{out}");
        }
        // What is not used is not looked at.
        for quiet in [("OTEL_SDK_DISABLED", &b"true"[..]), ("OTEL_TRACES_EXPORTER", b"none")] {
            let out = run(&[quiet, ("OTEL_EXPORTER_OTLP_ENDPOINT", BYTES)]);
            assert!(out.contains("built: recording=false []"), "{out}");
        }
    }
}

/// The last of what the code says counts, and code stands above the list of the environment.
#[test]
fn a_resource_attribute_of_two_sources_is_sent_once() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let spanwise = with(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,a=2,b=list,c=list")])
        .with_resource([KeyValue::new("b", "first")])
        .with_resource([KeyValue::new("b", "code")])
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&collected.bodies()[0]);
    assert_eq!(spans(&request).count(), 1);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let map = attributes_map(&resource.attributes);
    assert_eq!(map.len(), resource.attributes.len(), "keys are unique");
    for (key, value) in [("a", "2"), ("b", "code"), ("c", "list")] {
        assert!(format!("{:?}", map[key]).contains(&format!("\"{value}\"")), "{key}");
    }
}
