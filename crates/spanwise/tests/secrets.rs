//! Secrets given to Spanwise appear in no `Debug`, no `Display`, no error and no diagnostic.
//!
//! The tests put one secret into every place that can hold one: the user info and the query of URLs,
//! header values, a sampler's argument, a certificate, a request. They print each public type that
//! holds settings, and search the text for the secret. A second test reads the sources, so that a new
//! type has to be listed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry::trace::{Span as _, Tracer as _};
use spanwise::propagation::http::{HeaderExtractor, HeaderInjector};
use spanwise::sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, RemoteSettings, Sampler, XrayPoller, XrayRemote,
    XraySettings,
};
use spanwise::transport::{Endpoint, Fetcher, FramedRequest, Headers, Transport};
use spanwise::{Compression, Protocol, Spanwise, SpanwiseBuilder};
use spanwise_export::sans_io::{Action, QueueAction};
use spanwise_export::{ExportEvent, Exporter, Observer};
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::Peer;
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{SpanLimits, SpanMeta};
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECRET: &str = "hunter2canary";
const LONG: Duration = Duration::from_secs(20);

/// The printed texts, each with the name of its source, and the printed types.
#[derive(Clone, Default)]
struct Printed {
    texts: Arc<Mutex<Vec<(String, String)>>>,
    types: Arc<Mutex<BTreeSet<String>>>,
}

impl Printed {
    fn add(&self, source: &str, text: impl Into<String>) {
        self.texts.lock().unwrap().push((source.to_owned(), text.into()));
    }

    /// Stores the type's name: `spanwise_transport::delivery::Delivery` as `transport::Delivery`.
    fn saw<T: ?Sized>(&self) {
        let name = std::any::type_name::<T>().trim_start_matches('&');
        let name = name.strip_prefix("core::option::Option<").unwrap_or(name).trim_end_matches('>');
        if let Some((member, path)) = name.split_once("::")
            && let Some(member) = member.strip_prefix("spanwise_")
        {
            let path = path.split('<').next().unwrap_or(path);
            let name = path.rsplit("::").next().unwrap_or(path);
            self.types.lock().unwrap().insert(format!("{member}::{name}"));
        }
    }

    fn debug<T: Debug>(&self, source: &str, value: T) {
        self.saw::<T>();
        self.add(source, format!("{value:?} {value:#?}"));
    }

    fn error<E: Debug + Display>(&self, source: &str, error: E) {
        self.saw::<E>();
        self.add(source, format!("{error} {error:?} {error:#?}"));
    }

    fn result<T: Debug, E: Debug + Display>(&self, source: &str, result: &Result<T, E>) {
        match result {
            Ok(value) => self.debug(source, value),
            Err(error) => self.error(source, error),
        }
    }

    fn check(&self) {
        let printed = self.texts.lock().unwrap();
        assert!(!printed.is_empty());
        for (source, text) in printed.iter() {
            assert!(!text.contains(SECRET), "{source} shows the secret: {text}");
            // `Debug` of bytes prints a list of numbers.
            let numbers: Vec<_> = SECRET.bytes().map(|byte| byte.to_string()).collect();
            assert!(!text.contains(&numbers.join(", ")), "{source} shows its bytes: {text}");
        }
    }
}

/// A URL with the secret as user info and in the query.
fn url(rest: &str) -> String {
    format!("http://{SECRET}:{SECRET}@{rest}?token={SECRET}")
}

/// A URL that the parser accepts: it refuses user info.
fn with_query(rest: &str) -> String {
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

/// A server that answers every request with `head` and with the request as the body.
fn echo(head: &'static str) -> Peer {
    Peer::start(move |mut stream| {
        let mut request = vec![0; 16 << 10];
        let Ok(len) = stream.read(&mut request) else { return };
        let request = String::from_utf8_lossy(&request[..len]).into_owned();
        let answer = format!("{head}content-length: {}\r\n\r\n{request}", request.len());
        let _closed = stream.write_all(answer.as_bytes());
    })
    .unwrap()
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
        let peer = echo(head);
        let endpoint = with_query(&format!("{}/v1/traces", peer.address()));
        let set = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
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
    let peer = echo("HTTP/1.1 403 Forbidden\r\n");
    let address = peer.address().to_string();
    let endpoint =
        Endpoint::parse("setting", &with_query(&format!("{address}/v1/traces"))).unwrap();
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

    let document = Endpoint::parse("setting", &with_query(&address)).unwrap();
    let fetcher = Fetcher::new(document, Duration::from_secs(5), 1 << 20).unwrap();
    printed.debug("Fetcher", &fetcher);
    printed.error("FetchError", fetcher.get().await.unwrap_err());
    let closed = Endpoint::parse("setting", &with_query("127.0.0.1:1/")).unwrap();
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
    for mistaken in [url("h:1/"), with_query("h/"), format!("{SECRET}@h")] {
        printed.result("UnknownProtocol", &mistaken.parse::<Protocol>());
        printed.result("UnknownCompression", &mistaken.parse::<Compression>());
    }
    let https = Endpoint::parse("setting", &with_query("h/").replace("http:", "https:")).unwrap();
    let built = Transport::builder().with_endpoint(https).with_certificate_pem(SECRET).build();
    printed.error("BuildError", built.unwrap_err());
}

/// Prints an exporter's events.
struct PrintingObserver(Printed);

impl Observer for PrintingObserver {
    fn event(&mut self, event: ExportEvent) {
        self.0.debug("ExportEvent", event);
    }
}

fn an_exporter_does_not_show_its_secrets(printed: &Printed) {
    let peer = echo("HTTP/1.1 400 Bad Request\r\n");
    let url = with_query(&format!("{}/v1/traces", peer.address()));
    let builder = || {
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("setting", &url).unwrap())
            .with_headers(Headers::parse(&format!("authorization={SECRET}")).unwrap())
            .with_certificate_pem(SECRET)
            .build();
        Exporter::builder(transport.unwrap())
            .with_resource(encode_resource([("token", SECRET)], SECRET))
            .with_observer(PrintingObserver(printed.clone()))
    };
    let scope = encode_scope(SECRET, SECRET, [("token", SECRET)], SECRET);
    let mut writer = SpanWriter::new();
    writer.begin(SECRET);
    writer.attribute(&SpanLimits::default(), "token", SECRET);
    let header = SpanHeader::default();
    let span = writer.finish(&header);
    printed.debug("ExporterBuilder", builder());
    printed.error("BuildError", builder().with_max_in_flight(0).build().unwrap_err());

    let exporter = builder().build().unwrap();
    exporter.scopes().index(&scope).unwrap();
    printed.debug("ScopeTable", exporter.scopes());
    exporter.push(&span, SpanMeta::default());
    printed.result("FlushError", &exporter.flush_until(Instant::now() + LONG));
    printed.result("FlushError", &exporter.shutdown_until(Instant::now() + LONG));
    printed.error("FlushError", exporter.flush_until(Instant::now()).unwrap_err());
    printed.debug("Exporter", &exporter);

    let (queue, prepared) = builder().prepare().unwrap();
    prepared.scopes().index(&scope).unwrap();
    printed.debug("PreparedExporter", &prepared);
    queue.ledger().started();
    queue.push(&span, SpanMeta::default());
    printed.debug("SpanQueue", &queue);
    let now = Instant::now();
    let mut machine = prepared.into_machine(&queue, now);
    machine.flush(now + LONG);
    loop {
        printed.debug("ExportMachine", &machine);
        let action = machine.poll(now, queue.level());
        printed.debug("Action", &action);
        match action {
            Action::Queue(action) => {
                printed.debug("QueueAction", &action);
                let Some(drained) = queue.apply(action) else { continue };
                printed.debug("Drained", &drained);
                drained.chunks.iter().for_each(|chunk| printed.debug("DrainedChunk", chunk));
                machine.drained(drained);
            }
            Action::Send(id, request) => {
                drop(request);
                machine.request_ended(now, id, None);
            }
            Action::Reply(_) => break,
            Action::WaitUntil(_) | Action::Finish => panic!("the flush has no answer"),
            _ => {}
        }
    }
    printed.debug("QueueAction", QueueAction::DrainAll);
}

fn propagators_and_buffers_do_not_show_their_contents(printed: &Printed) {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", SECRET.parse().unwrap());
    printed.debug("HeaderExtractor", HeaderExtractor(&headers));
    printed.debug("HeaderInjector", HeaderInjector(&mut headers));
    let mut chain = spanwise::zero_copy::BytesChain::default();
    chain.push(SECRET);
    printed.debug("BytesChain", chain);
    let not_utf8 = [SECRET.as_bytes(), b"\xff"].concat();
    let error = spanwise::zero_copy::ByteStr::try_from(spanwise::Bytes::from(not_utf8));
    printed.error("FromUtf8Error", error.unwrap_err());
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
async fn no_printable_type_shows_a_secret() {
    let printed = Printed::default();
    settings_that_are_refused_do_not_show_their_secrets(&printed);
    a_provider_that_runs_does_not_show_its_secrets(&printed);
    a_transport_does_not_show_its_secrets(&printed).await;
    an_exporter_does_not_show_its_secrets(&printed);
    propagators_and_buffers_do_not_show_their_contents(&printed);
    samplers_do_not_show_their_secrets(&printed);
    a_receiver_does_not_show_what_it_was_sent(&printed);
    printed.check();
    let seen = printed.types.lock().unwrap();
    let missing: Vec<_> = names(PRINTED).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "listed, but not printed: {missing:?}; seen: {seen:?}");
}

fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

/// A test above prints each public type, or the type holds data of Spanwise alone, or it shows the
/// content of spans and text on purpose.
#[test]
fn every_public_type_is_listed() {
    let listed: BTreeSet<_> = names(PRINTED).chain(names(WITHOUT_SETTINGS)).collect();
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
    assert!(
        unlisted.is_empty(),
        "print them in a test above, or list them as without settings: {unlisted:?}"
    );
    let stale: Vec<_> = listed.difference(&found).collect();
    assert!(stale.is_empty(), "no source declares these: {stale:?}");
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

/// Types that hold settings or data of another process. The tests above print them.
const PRINTED: &str = "\
    bytes::BytesChain bytes::FromUtf8Error export::Action export::BuildError export::Drained \
    export::DrainedChunk export::ExportEvent export::ExportMachine export::Exporter \
    export::ExporterBuilder export::FlushError export::PreparedExporter export::QueueAction \
    export::ScopeTable export::SpanQueue \
    ledger::Snapshot receiver::ReceiverBuilder receiver::Collected receiver::Export receiver::Headers receiver::Receiver \
    receiver::Stats sampling::JaegerRemote sampling::JaegerSettings sampling::JaegerPoller \
    sampling::RemoteSettings sampling::Sampler sampling::SettingError sampling::JaegerStrategyError \
    sampling::XrayError sampling::XrayPoller sampling::XrayRemote sampling::XrayRequest \
    sampling::XraySettings sdk::BuildError sdk::SpanwiseBuilder sdk::Diagnostic sdk::FlushError sdk::HeaderExtractor sdk::HeaderInjector sdk::Report \
    sdk::Span sdk::Spanwise sdk::Tracer transport::BuildError transport::Delivery \
    transport::Endpoint transport::EndpointError transport::FailedAttempt transport::FetchError \
    transport::Fetcher transport::FramedRequest transport::Headers transport::HeadersError \
    transport::Outcome transport::Transport transport::TransportBuilder \
    transport::UnknownCompression transport::UnknownProtocol";

/// Types that hold numbers, names of ours or handles; views of spans, text, and samplers in code.
const WITHOUT_SETTINGS: &str = "\
    bytes::ByteStr export::FlushId export::OnFull export::QueueLevel export::Reply \
    export::RequestId spanwise::CollectError spanwise::Collected \
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
    sdk::Exporter sdk::FinishError sdk::Finished sdk::Guard sdk::Propagator \
    sdk::TraceContextPropagator \
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
