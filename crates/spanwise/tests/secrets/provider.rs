//! Providers, builders and receivers.

use crate::explained::explain;
use crate::printed::{LONG, Printed, SECRET, echo, url, with_query};
use opentelemetry::trace::{Span as _, Tracer as _};
use spanwise::admin::AdminEndpoint;
use spanwise::{FlushError, MetricsExport, Spanwise, SpanwiseBuilder};
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::pki::{Authority, Template};
use spanwise_transport::{Endpoint, Headers, Transport};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn variables(
    set: &[(&'static str, String)],
) -> impl Fn(&str) -> Option<String> + Send + Sync + use<> {
    let set = set.to_vec();
    move |name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone())
}

fn builder(printed: &Printed, set: &[(&'static str, String)]) -> SpanwiseBuilder {
    let printed = printed.clone();
    Spanwise::builder()
        .with_environment(variables(set))
        .with_diagnostics(move |diagnostic| printed.error("diagnostic", diagnostic))
}

pub fn settings_that_are_refused_do_not_show_their_secrets(printed: &Printed) {
    let many = "x".repeat(100_000);
    let argument = |name: &str| format!("{name}{}", url("127.0.0.1:9/x"));
    let cases: Vec<(&'static str, String)> = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url("bad host/")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url("h:99999/")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("ftp://{SECRET}@h/?{SECRET}")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{SECRET}:{SECRET}@h:4318/?{SECRET}")),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url(&format!("h/{many}"))),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization={SECRET}\u{1}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization: {SECRET}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("bad key={SECRET}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", SECRET.to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", format!("a={SECRET}{many}")),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", format!("-----BEGIN X-----\n{SECRET}")),
        ("HTTP_PROXY", format!("ftp://{SECRET}:{SECRET}@p")),
        ("https_proxy", url("p:x")),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", format!("-----BEGIN PRIVATE KEY-----\n{SECRET}")),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", format!("-----BEGIN X-----\n{SECRET}")),
    ];
    for (name, value) in cases {
        for endpoint in ["http://127.0.0.1:9", "https://127.0.0.1:9"] {
            let set =
                [(name, value.clone()), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.into())];
            explain(printed, &builder(printed, &set));
            printed.result(name, &builder(printed, &set).build());
            tracing_shows_no_secret(printed, builder(printed, &set));
            // The variables of metrics in place of the same ones.
            let of_metrics: &str = match name.split_once("TRACES_") {
                Some((start, end)) => &*format!("{start}METRICS_{end}").leak(),
                None => name,
            };
            let set = [(of_metrics, value.clone())];
            let exported = builder(printed, &set).with_metrics_export(MetricsExport::new());
            explain(printed, &exported);
            doctor_shows_no_secret(printed, builder(printed, &set));
        }
    }
    for sampler in ["traceidratio", "jaeger_remote", "parentbased_jaeger_remote", "xray", "custom"]
    {
        for value in [
            SECRET.to_owned(),
            argument(""),
            argument("endpoint="),
            argument(&format!("{SECRET}=")),
            format!("{},pollingIntervalMs={SECRET}", argument("endpoint=")),
            format!("{},polling_interval={SECRET}", argument("endpoint=")),
            format!("endpoint=ftp://{SECRET}@h/,initialSamplingRate=7"),
            format!("endpoint=http://{SECRET},{SECRET}:x@h/?{SECRET},initialSamplingRate=7"),
            format!("token={SECRET}"),
        ] {
            let set =
                [("OTEL_TRACES_SAMPLER", sampler.to_owned()), ("OTEL_TRACES_SAMPLER_ARG", value)];
            explain(printed, &builder(printed, &set));
            let spanwise = builder(printed, &set).build();
            printed.result(sampler, &spanwise);
            if let Ok(spanwise) = spanwise {
                printed.result(sampler, &spanwise.shutdown_timeout(LONG));
            }
        }
    }
    let coded: [fn(SpanwiseBuilder) -> SpanwiseBuilder; 8] = [
        |builder| builder.with_proxy(format!("ftp://{SECRET}:{SECRET}@p")),
        |builder| builder.with_endpoint("https://h").with_client_certificate_pem(SECRET, SECRET),
        |builder| builder.with_endpoint(format!("ftp://{SECRET}@h/?{SECRET}")),
        |builder| builder.with_endpoint(format!("http://{SECRET}@h:x/?{SECRET}")),
        |builder| builder.with_header("authorization", format!("{SECRET}\n")),
        |builder| builder.with_header("a b", SECRET),
        |builder| builder.with_header("authorization", format!("{SECRET}{}", "x".repeat(100_000))),
        |builder| builder.with_endpoint("https://h").with_certificate_pem(SECRET),
    ];
    for code in coded {
        let builder = code(builder(printed, &[]));
        printed.debug("SpanwiseBuilder", &builder);
        explain(printed, &builder);
        printed.result("SpanwiseBuilder", &builder.build());
    }
}

pub fn a_provider_that_runs_does_not_show_its_secrets(printed: &Printed) {
    for head in [
        "HTTP/1.1 400 Bad Request\r\n",
        "HTTP/1.1 401 Unauthorized\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n",
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n",
        "garbage\r\n",
    ] {
        let peer = echo(head);
        let endpoint = with_query(&format!("{}/v1/traces", peer.address()));
        let set = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{SECRET}")),
        ];
        // A further destination that fails in the same way.
        let archive =
            Endpoint::parse("archive", &with_query(&format!("{}/", peer.address()))).unwrap();
        let headers = Headers::parse(&format!("authorization={SECRET}")).unwrap();
        let archive = Transport::builder().with_endpoint(archive).with_headers(headers);
        let spanwise = builder(printed, &set)
            .with_header("x-api-key", SECRET)
            .with_destination(archive.build().unwrap())
            .build()
            .unwrap();
        let tracer = spanwise.tracer("secrets");
        let mut span = tracer.start("span");
        printed.debug("span", &span);
        span.end();
        printed.debug("tracer", &tracer);
        let flushed = spanwise.force_flush_timeout(Duration::from_millis(300));
        printed.result(head, &flushed);
        let report = match flushed {
            Ok(report) => report,
            Err(FlushError::Timeout(report)) => *report,
            Err(error) => panic!("{error}"),
        };
        report.destinations.iter().for_each(|it| printed.debug(head, it));
        live_views_show_no_secret(printed, &spanwise);
        printed.result(head, &spanwise.shutdown_timeout(Duration::from_millis(100)));
        printed.debug(head, &spanwise);
        printed.debug(head, spanwise.ledger());
        doctor_shows_no_secret(printed, builder(printed, &set).with_header("x-api-key", SECRET));
    }
}

fn live_views_show_no_secret(printed: &Printed, spanwise: &Spanwise) {
    let view = spanwise.live_view();
    printed.debug("LiveView", &view);
    let live = view.snapshot().unwrap();
    printed.debug("LiveSnapshot", &live);
    live.destinations.iter().for_each(|it| printed.debug("LiveDestination", it));
    live.diagnostics.iter().for_each(|it| printed.debug("LiveDiagnostic", it));
    let endpoint = || AdminEndpoint::builder().with_address("127.0.0.1:0");
    printed.debug("AdminEndpointBuilder", endpoint());
    printed.error("AdminError", endpoint().with_address("0.0.0.0:1").build(spanwise).unwrap_err());
    let admin = endpoint().build(spanwise).unwrap();
    printed.debug("AdminEndpoint", &admin);
    for path in ["/metrics", "/debug/spanwise.json"] {
        let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: {SECRET}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        printed.debug(path, answer);
    }
}

fn doctor_shows_no_secret(printed: &Printed, builder: SpanwiseBuilder) {
    let report = builder.with_attempt_timeout(Duration::from_millis(100)).doctor();
    printed.debug("JSON", report.to_json());
    printed.error("DoctorReport", &report);
    report.checks().iter().for_each(|check| printed.error("DoctorCheck", check));
}

pub fn a_receiver_does_not_show_what_it_was_sent(printed: &Printed) {
    let seen = printed.clone();
    let receiver = Receiver::builder().with_handler(move |export| {
        assert!(export.headers.iter().any(|(_, value)| value == SECRET.as_bytes()));
        seen.debug("Export", &export);
        seen.debug("Headers", &export.headers);
        seen.debug("Export", export.clone());
        Answer::Accept
    });
    printed.debug("SpanwiseBuilder", &receiver);
    let receiver = receiver.start().unwrap();
    let spanwise = Spanwise::builder()
        .with_environment(|_| None)
        .with_endpoint(receiver.http_endpoint())
        .with_header("x-api-key", SECRET)
        .build()
        .unwrap();
    drop(spanwise.tracer("secrets").start(SECRET));
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().exported, 1);
    printed.debug("Receiver", &receiver);
    printed.debug("Stats", receiver.stats());
    printed.debug("StatsReader", receiver.stats_reader());
    let (_receiver, collected) = Receiver::collecting().unwrap();
    printed.debug("Collected", collected);
    let own = Authority::new(SECRET).unwrap().issue(&Template::default()).unwrap();
    let builder = Receiver::builder().with_tls_pem(&*own.certificate, &*own.key);
    printed.debug("ReceiverBuilder", &builder);
    let receiver = builder.start().unwrap();
    printed.debug("TlsRenewal", receiver.renew_tls_pem(own.certificate, own.key, None).unwrap());
    printed.error("StartError", receiver.renew_tls_pem(SECRET, SECRET, None).unwrap_err());
}

pub fn a_reload_does_not_show_its_secrets(printed: &Printed) {
    let endpoint = |path: &str| with_query(&format!("http://127.0.0.1:9/{path}"));
    let ours = |number: u8| {
        builder(printed, &[])
            .with_endpoint(endpoint(&number.to_string()))
            .with_header("authorization", format!("{SECRET}{number}"))
            .with_certificate_pem(format!("{SECRET}{number}"))
            .with_client_certificate_pem(format!("{SECRET}{number}"), SECRET)
            .with_resource([spanwise::opentelemetry::KeyValue::new(
                "token",
                format!("{SECRET}{number}"),
            )])
    };
    let spanwise = ours(1).build().unwrap();
    let reloaded = spanwise.reload(ours(2)).unwrap();
    assert_eq!((reloaded.changed.len(), reloaded.needs_restart.len()), (4, 1), "{reloaded}");
    printed.debug("SettingChange", &reloaded.changed);
    printed.error("SettingChange", &reloaded.changed[0]);
    printed.error("Reloaded", &reloaded);
    printed.debug("Reloaded", &reloaded);
    let invalid = ours(3).with_endpoint(url("bad host/"));
    printed.error("ReloadError", spanwise.reload(invalid).unwrap_err());
    printed.debug("Spanwise", &spanwise);
    printed.result("FlushError", &spanwise.shutdown_timeout(Duration::ZERO));
}

/// Prints the builder of `tracing::init`, and its error for a provider that cannot start.
fn tracing_shows_no_secret(printed: &Printed, provider: SpanwiseBuilder) {
    printed.debug("TracingBuilder", spanwise::tracing::builder().with_provider(provider.clone()));
    if let Err(error) = provider.build() {
        printed.error("InitError", spanwise::tracing::InitError::from(error));
    }
}
