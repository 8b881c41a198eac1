//! Secrets given to Spanwise appear in no `Debug`, no `Display`, no error and no diagnostic.
//!
//! One word is put wherever a secret may stand: the user info and the query of URLs, header values, a
//! sampler's argument, a certificate, a request. Everything public that can be printed is printed, and
//! searched for it. A second test reads the sources, so that a type added later is put into the list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry::trace::{Span as _, Tracer as _};
use spanwise::sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, RemoteSettings, Sampler, XrayPoller, XrayRemote,
    XraySettings,
};
use spanwise::transport::{Endpoint, Fetcher, FramedRequest, Headers, Transport};
use spanwise::{Compression, Protocol, Spanwise, SpanwiseBuilder};
use spanwise_receiver::{Answer, Receiver};
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRET: &str = "hunter2canary";
const LONG: Duration = Duration::from_secs(20);

/// Everything that was printed, each with what it was, and the types of it.
#[derive(Clone, Default)]
struct Printed {
    texts: Arc<Mutex<Vec<(String, String)>>>,
    types: Arc<Mutex<BTreeSet<String>>>,
}

impl Printed {
    fn add(&self, what: &str, text: impl Into<String>) {
        self.texts.lock().unwrap().push((what.to_owned(), text.into()));
    }

    /// `spanwise_transport::delivery::Delivery` is kept as `transport::Delivery`.
    fn saw<T: ?Sized>(&self) {
        let name = std::any::type_name::<T>().trim_start_matches('&');
        let name = name.strip_prefix("core::option::Option<").unwrap_or(name).trim_end_matches('>');
        if let Some((member, path)) = name.split_once("::")
            && let Some(member) = member.strip_prefix("spanwise_")
        {
            let name = path.rsplit("::").next().unwrap_or(path);
            self.types.lock().unwrap().insert(format!("{member}::{name}"));
        }
    }

    fn debug<T: Debug>(&self, what: &str, value: T) {
        self.saw::<T>();
        self.add(what, format!("{value:?} {value:#?}"));
    }

    fn error<E: Debug + Display>(&self, what: &str, error: E) {
        self.saw::<E>();
        self.add(what, format!("{error} {error:?} {error:#?}"));
    }

    fn result<T: Debug, E: Debug + Display>(&self, what: &str, result: &Result<T, E>) {
        match result {
            Ok(value) => self.debug(what, value),
            Err(error) => self.error(what, error),
        }
    }

    fn check(&self) {
        let printed = self.texts.lock().unwrap();
        assert!(!printed.is_empty());
        for (what, text) in printed.iter() {
            assert!(!text.contains(SECRET), "{what} shows the secret: {text}");
            // Also not as it stands in a body, as a list of numbers.
            let numbers: Vec<_> = SECRET.bytes().map(|byte| byte.to_string()).collect();
            assert!(!text.contains(&numbers.join(", ")), "{what} shows its bytes: {text}");
        }
    }
}

/// A URL with the secret wherever one can stand.
fn url(rest: &str) -> String {
    format!("http://{SECRET}:{SECRET}@{rest}?token={SECRET}")
}

/// One that is accepted: user info is refused.
fn asked(rest: &str) -> String {
    format!("http://{rest}?token={SECRET}")
}

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

/// Answers every request with `head` and, in the body, all that it was sent.
fn echo(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut request = vec![0; 16 << 10];
                let Ok(len) = stream.read(&mut request) else { return };
                let asked = String::from_utf8_lossy(&request[..len]).into_owned();
                let answer = format!("{head}content-length: {}\r\n\r\n{asked}", asked.len());
                let _gone = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}

fn settings_that_are_refused_do_not_show_their_secrets(printed: &Printed) {
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
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", format!("-----BEGIN PRIVATE KEY-----\n{SECRET}")),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", format!("-----BEGIN X-----\n{SECRET}")),
    ];
    for (name, value) in cases {
        for endpoint in ["http://127.0.0.1:9", "https://127.0.0.1:9"] {
            let set =
                [(name, value.clone()), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.into())];
            printed.result(name, &builder(printed, &set).build());
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
            let spanwise = builder(printed, &set).build();
            printed.result(sampler, &spanwise);
            if let Ok(spanwise) = spanwise {
                printed.result(sampler, &spanwise.shutdown_timeout(LONG));
            }
        }
    }
    let coded: [fn(SpanwiseBuilder) -> SpanwiseBuilder; 6] = [
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
        printed.result("SpanwiseBuilder", &builder.build());
    }
}

fn a_provider_that_runs_does_not_show_its_secrets(printed: &Printed) {
    for head in [
        "HTTP/1.1 400 Bad Request\r\n",
        "HTTP/1.1 401 Unauthorized\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n",
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n",
        "garbage\r\n",
    ] {
        let set = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", asked(&format!("{}/v1/traces", echo(head)))),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{SECRET}")),
        ];
        let spanwise = builder(printed, &set).with_header("x-api-key", SECRET).build().unwrap();
        let tracer = spanwise.tracer("secrets");
        let mut span = tracer.start("span");
        printed.debug("span", &span);
        span.end();
        printed.debug("tracer", &tracer);
        printed.result(head, &spanwise.force_flush_timeout(Duration::from_millis(300)));
        printed.result(head, &spanwise.shutdown_timeout(Duration::from_millis(100)));
        printed.debug(head, &spanwise);
        printed.debug(head, spanwise.ledger());
    }
}

async fn a_transport_does_not_show_its_secrets(printed: &Printed) {
    let headers = Headers::parse(&format!("authorization={SECRET}")).unwrap();
    printed.debug("Headers", &headers);
    let address = echo("HTTP/1.1 403 Forbidden\r\n");
    let endpoint = Endpoint::parse("setting", &asked(&format!("{address}/v1/traces"))).unwrap();
    printed.error("Endpoint", &endpoint);
    let seen = printed.clone();
    let transport = Transport::builder()
        .with_endpoint(endpoint.clone())
        .with_headers(headers)
        .with_certificate_pem(SECRET)
        .with_request_timeout(Duration::from_millis(500))
        .with_attempt_observer(move |failed| seen.debug("FailedAttempt", failed));
    printed.debug("TransportBuilder", &transport);
    let transport = transport.build().unwrap();
    printed.debug("Transport", &transport);
    let request = || FramedRequest::from_message(&format!("\n\x0d{SECRET}").into_bytes());
    printed.debug("FramedRequest", request());
    let delivery = transport.send_with_cancel(request(), std::future::pending()).await;
    printed.debug("Delivery", &delivery);
    printed.debug("Outcome", &delivery.outcome);

    let document = Endpoint::parse("setting", &asked(&address)).unwrap();
    let fetcher = Fetcher::new(document, Duration::from_secs(5), 1 << 20).unwrap();
    printed.debug("Fetcher", &fetcher);
    printed.error("FetchError", fetcher.get().await.unwrap_err());
    let closed = Endpoint::parse("setting", &asked("127.0.0.1:1/")).unwrap();
    let fetcher = Fetcher::new(closed, Duration::from_secs(5), 1 << 20).unwrap();
    printed.error("FetchError", fetcher.get().await.unwrap_err());

    for bad in [url("h h/"), format!("h:{SECRET}@x?{SECRET}")] {
        printed.result("EndpointError", &Endpoint::parse("setting", &bad));
        printed.result("EndpointError", &Endpoint::parse_grpc("setting", &bad, true));
        printed.result("EndpointError", &Endpoint::parse_base("setting", &bad));
    }
    for bad in
        [format!("a b={SECRET}"), format!("a={SECRET}%"), format!("={SECRET}"), SECRET.into()]
    {
        printed.result("HeadersError", &Headers::parse(&bad));
    }
    for mistaken in [url("h:1/"), asked("h/"), format!("{SECRET}@h")] {
        printed.result("UnknownProtocol", &mistaken.parse::<Protocol>());
        printed.result("UnknownCompression", &mistaken.parse::<Compression>());
    }
    let https = Endpoint::parse("setting", &asked("h/").replace("http:", "https:")).unwrap();
    let built = Transport::builder().with_endpoint(https).with_certificate_pem(SECRET).build();
    printed.error("BuildError", built.unwrap_err());
}

fn samplers_do_not_show_their_secrets(printed: &Printed) {
    let jaeger = JaegerSettings::default().with_endpoint(&url("127.0.0.1:9/s")).unwrap();
    let xray = XraySettings::default().with_endpoint(&url("127.0.0.1:9/")).unwrap();
    printed.debug("JaegerSettings", &jaeger);
    printed.debug("XraySettings", &xray);
    printed.debug("RemoteSettings", RemoteSettings::from(jaeger.clone()));
    printed.debug("RemoteSettings", RemoteSettings::from(xray.clone()));
    let sampler = JaegerRemote::new(Sampler::always_on());
    printed.debug("JaegerRemote", &sampler);
    let mut poll = JaegerPoller::new(&jaeger, "shop", sampler.clone(), 7);
    printed.debug("Poll", &poll);
    for answer in [SECRET.to_owned(), format!("{{\"{SECRET}\":1}}")] {
        printed.result("JaegerStrategyError", &poll.answered(0, answer.as_bytes()));
    }
    printed.error("Sampler", Sampler::from(sampler));
    let sampler = XrayRemote::new();
    printed.debug("XrayRemote", &sampler);
    let mut poll = XrayPoller::new(&xray, "shop", sampler.clone(), 7);
    printed.debug("XrayPoller", &poll);
    printed.debug("XrayRequest", poll.request(0, 0));
    printed.result("XrayError", &poll.answered(0, 0, SECRET.as_bytes()));
    printed.error("Sampler", Sampler::from(sampler));
    for bad in ["ftp://h", "http://", "h:1"] {
        let bad = bad.replace("://", &format!("://{SECRET}@"));
        printed.result("SettingError", &JaegerSettings::default().with_endpoint(&bad));
        printed.result("SettingError", &XraySettings::default().with_endpoint(&bad));
        printed.result("SettingError", &JaegerSettings::parse(&format!("{bad}={SECRET}")));
        printed.result("SettingError", &XraySettings::parse(&format!("endpoint={bad}?{SECRET}")));
    }
}

fn a_receiver_does_not_show_what_it_was_sent(printed: &Printed) {
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
    let (_receiver, collected) = Receiver::collecting().unwrap();
    printed.debug("Collected", collected);
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let printed = Printed::default();
    settings_that_are_refused_do_not_show_their_secrets(&printed);
    a_provider_that_runs_does_not_show_its_secrets(&printed);
    a_transport_does_not_show_its_secrets(&printed).await;
    samplers_do_not_show_their_secrets(&printed);
    a_receiver_does_not_show_what_it_was_sent(&printed);
    printed.check();
    let seen = printed.types.lock().unwrap();
    let missing: Vec<_> = words(PRINTED).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "listed, but not printed: {missing:?}; seen: {seen:?}");
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

/// Every public type that can be printed is either printed above, or holds nothing that anybody but
/// Spanwise wrote, or holds spans, whose content is shown on purpose.
#[test]
fn every_public_type_that_can_be_printed_is_looked_at() {
    let listed: BTreeSet<_> = words(PRINTED).chain(words(WITHOUT_SETTINGS)).collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for member in std::fs::read_dir(crates).unwrap() {
        let member = member.unwrap();
        if member.file_name() != "spanwise-testkit" {
            let name = member.file_name().into_string().unwrap();
            let name = name.strip_prefix("spanwise-").unwrap_or("spanwise").to_owned();
            public_types(&name, &member.path().join("src"), &mut found);
        }
    }
    assert!(found.len() > 100, "{found:?}");
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(unlisted.is_empty(), "print them in a test above, or say why not: {unlisted:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these are no more: {gone:?}");
}

fn public_types(member: &str, folder: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_types(member, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            for line in source.lines().map(str::trim_start) {
                let declared = ["pub struct ", "pub enum ", "pub union "];
                let Some(rest) = declared.iter().find_map(|kind| line.strip_prefix(kind)) else {
                    continue;
                };
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.insert(format!("{member}::{name}"));
            }
        }
    }
}

/// Types that hold settings, or what another process said, and are printed by the tests above.
const PRINTED: &str = "\
    ledger::Snapshot receiver::ReceiverBuilder receiver::Collected receiver::Export receiver::Headers receiver::Receiver \
    receiver::Stats sampling::JaegerRemote sampling::JaegerSettings sampling::JaegerPoller \
    sampling::RemoteSettings sampling::Sampler sampling::SettingError sampling::JaegerStrategyError \
    sampling::XrayError sampling::XrayPoller sampling::XrayRemote sampling::XrayRequest \
    sampling::XraySettings sdk::BuildError sdk::SpanwiseBuilder sdk::Diagnostic sdk::FlushError sdk::Report \
    sdk::Span sdk::Spanwise sdk::Tracer transport::BuildError transport::Delivery \
    transport::Endpoint transport::EndpointError transport::FailedAttempt transport::FetchError \
    transport::Fetcher transport::FramedRequest transport::Headers transport::HeadersError \
    transport::Outcome transport::Transport transport::TransportBuilder \
    transport::UnknownCompression transport::UnknownProtocol";

/// Types of numbers, names of ours and handles; views of spans, and what the user's code said.
const WITHOUT_SETTINGS: &str = "\
    bytes::ByteStr bytes::BytesChain bytes::FromUtf8Error spanwise::CollectError spanwise::Collected \
    spanwise::CollectedSpan \
    batch::Budget batch::Charge batch::ChargedChunk batch::FlushAction batch::FlushSchedule \
    batch::FlushScheduleConfig batch::PushError batch::Pushed batch::ShardedBuffer \
    batch::ShardedBufferConfig ledger::Counter ledger::DropReason ledger::Imbalance ledger::Ledger \
    ledger::Tickets opentelemetry::OtelSampler pool::BufferPool pool::Event pool::Interner \
    pool::InternerStats pool::Link pool::Pool pool::PoolStats pool::Pooled pool::PooledBuffer \
    pool::PooledOwned pool::PooledSpan pool::SpanPool pool::TierPooled pool::TieredPool \
    pool::Trimmed receiver::Answer receiver::Limits receiver::Protocol receiver::StartError \
    sampling::Adaptive sampling::AdaptiveAlgorithm sampling::AdaptiveBuilder sampling::AdaptiveKey \
    sampling::AdaptiveState sampling::AlwaysRecord sampling::AnnotatingSampler \
    sampling::Annotations sampling::ApiAttributes sampling::ApiSamplingParameters sampling::DynamicSampler \
    sampling::FastDecision sampling::JaegerStrategy sampling::Malformed sampling::NoAttributes sampling::OtMember \
    sampling::Parent sampling::ParentBased sampling::ParentThreshold sampling::ProbabilityError \
    sampling::Randomness sampling::RateLimited sampling::RuleBased sampling::SamplingDecision \
    sampling::SamplingIntent sampling::SamplingParameters sampling::SamplingResult \
    sampling::SpanPredicate \
    sampling::Threshold sampling::ThresholdText sampling::Tick sampling::TraceIdRatioBased \
    sampling::TraceStateUpdate sdk::BaggagePropagator sdk::Detector \
    sdk::Exporter sdk::FinishError sdk::Finished sdk::Guard sdk::HeaderExtractor sdk::HeaderInjector sdk::Propagator \
    sdk::TraceContextPropagator sdk::OnFull \
    transport::Compression transport::EndpointProblem transport::Failure transport::InMemoryError \
    transport::Protocol transport::ResponseStatus transport::RetryPolicy wire::Array wire::ArrayView \
    wire::Attribute wire::Attributes wire::Chunk wire::DroppedCounts wire::EventView \
    wire::ExportResponse wire::Field wire::FieldValue wire::Fields wire::FinishedSpan wire::Framer \
    wire::KvListView wire::LinkView wire::LinkedContext wire::OwnedValue wire::Plan wire::Position \
    wire::RawWriter wire::Request wire::RequestLimits wire::ResourceSpans wire::ScopeSpans \
    wire::SpanFlags wire::SpanHeader wire::SpanId wire::SpanKind wire::SpanLimits wire::SpanMeta \
    wire::SpanView wire::SpanWriter wire::Spans wire::Status wire::StatusCode wire::StringValue \
    wire::TraceFlags wire::TraceId wire::TraceRequest wire::Value wire::ValueView wire::WireError \
    worker::CatchPanic worker::CaughtPanic worker::ClockMode worker::InsufficientCapacity \
    worker::Notified worker::Notifier worker::OwnedPermit worker::Permit worker::PoolReport \
    worker::RateError worker::RateLimiter worker::Receiver worker::RejectReason worker::Semaphore \
    worker::Sender worker::ShutdownMode worker::Source worker::SpanClock worker::Start \
    worker::SubmitError worker::SystemClock worker::TokioPool worker::VirtualClock worker::Wakeup \
    worker::Worker worker::WorkerBuilder worker::WorkerPool worker::WorkerPoolBuilder \
    worker::WorkerPoolError worker::WorkerState";
