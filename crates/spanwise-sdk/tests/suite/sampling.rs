//! Samplers in the provider: it samples before it records, exchanges samplers while it runs, and polls
//! remote samplers' strategies.

use crate::support;

use opentelemetry::trace::{
    Span as _, SpanContext, TraceContextExt, TraceFlags, TraceState, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use spanwise_sdk::sampling::{
    Adaptive, AnnotatingSampler, JaegerSettings, RuleBased, Sampler, SpanPredicate,
};
use spanwise_sdk::{Counter, Spanwise, SpanwiseBuilder};
use spanwise_testkit::{Peer, spans};
use spanwise_transport::Outcome;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, assert_idle, bench, builder};

fn environment(variables: &[(&'static str, String)]) -> SpanwiseBuilder {
    let variables = variables.to_vec();
    let lookup = move |name: &str| {
        variables.iter().find_map(|(key, value)| (*key == name).then(|| value.clone()))
    };
    discarding(Spanwise::builder().with_environment(lookup))
}

/// Sets a sink that accepts and discards every request.
fn discarding(builder: SpanwiseBuilder) -> SpanwiseBuilder {
    builder.with_sink(|_| async { Outcome::Accepted { rejected: 0, message: None } })
}

fn remote(sampled: bool, id: u128, state: &str) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let state = TraceState::from_str(state).unwrap();
    Context::new().with_remote_span_context(SpanContext::new(
        id.into(),
        9.into(),
        flags,
        true,
        state,
    ))
}

#[test]
fn every_sampler_name_of_the_specification_is_known() {
    for name in ["always_on", "always_off", "traceidratio", "jaeger_remote"] {
        for prefix in ["", "parentbased_"] {
            let log = DiagnosticLog::default();
            let variables = [("OTEL_TRACES_SAMPLER", format!("{prefix}{name}"))];
            let spanwise = log.attach(environment(&variables)).build().unwrap();
            assert!(log.lines().iter().all(|line| !line.contains("ignored")), "{prefix}{name}");
            let shown = format!("{spanwise:?}");
            assert_eq!(shown.contains("ParentBased"), !prefix.is_empty(), "{shown}");
        }
    }
    let log = DiagnosticLog::default();
    let variables = [("OTEL_TRACES_SAMPLER", "xray".into())];
    let spanwise = log.attach(environment(&variables)).build().unwrap();
    assert!(log.lines().iter().all(|line| !line.contains("ignored")));
    let shown = format!("{spanwise:?}");
    assert!(shown.contains("ParentBased") && shown.contains("XrayRemote"), "{shown}");
}

#[test]
fn a_wrong_argument_is_reported_and_ignored() {
    for sampler in ["jaeger_remote", "xray"] {
        let log = DiagnosticLog::default();
        let variables = [
            ("OTEL_TRACES_SAMPLER", sampler.into()),
            ("OTEL_TRACES_SAMPLER_ARG", "endpoint=ftp://host".into()),
        ];
        log.attach(environment(&variables)).build().unwrap();
        let line = &log.lines()[0];
        assert!(line.contains("OTEL_TRACES_SAMPLER_ARG") && line.contains("ftp"), "{line}");
    }
}

#[test]
fn two_samplers_are_an_error() {
    let both = builder().with_sampler(Sampler::always_on());
    let both = both.with_remote_sampling(JaegerSettings::default());
    assert!(both.build().unwrap_err().to_string().contains("with_remote_sampling is set too"));
    let both = builder().with_sampling_ratio(0.1).with_remote_sampling(JaegerSettings::default());
    assert!(both.build().unwrap_err().to_string().contains("with_remote_sampling is set too"));
}

#[test]
fn the_trace_state_of_another_process_is_validated() {
    let bench =
        bench(|builder| builder.with_sampler(Sampler::probability(0.5).unwrap().parent_based()));
    let tracer = bench.spanwise.tracer("test");
    let high = 0x80_0000_0000_0000;
    for (sampled, id, before, after) in [
        (true, high, "a=b,ot=th:8", "a=b,ot=th:8"),
        (true, 1, "a=b,ot=th:8", "a=b"),
        (false, 1, "a=b,ot=th:8", "a=b,ot=th:8"),
        (false, high, "ot=th:8;x:1", "ot=x:1"),
        (true, 1, "ot=th:$$,a=b", "a=b"),
        (true, 1, "", ""),
    ] {
        let span = tracer.start_with_context("child", &remote(sampled, id, before));
        let context = span.span_context();
        assert_eq!((context.is_sampled(), &*context.trace_state().header()), (sampled, after));
        // A child below it in this process has the same flag and trace state.
        let cx = Context::new().with_remote_span_context(SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags(),
            false,
            context.trace_state().clone(),
        ));
        let below = tracer.start_with_context("below", &cx);
        assert_eq!(below.span_context().is_sampled(), sampled);
        assert_eq!(below.span_context().trace_state().header(), after);
    }
    assert_eq!(bench.spanwise.ledger().counter(Counter::InvalidTraceState), 1);
    let request = bench.finish();
    assert!(spans(&request).all(|span| span.trace_state != "ot=th:8" || span.trace_id[9] >= 0x80));
}

#[test]
fn trace_ids_without_the_random_flag_are_counted() {
    let bench = bench(|builder| builder.with_sampler(Sampler::probability(0.5).unwrap()));
    let tracer = bench.spanwise.tracer("test");
    drop(tracer.start_with_context("child", &remote(true, 1, "")));
    drop(tracer.start("root"));
    assert_eq!(bench.spanwise.ledger().counter(Counter::AssumedRandomness), 1);
}

#[test]
fn rules_match_the_span_and_add_attributes() {
    let gold = SpanPredicate::any().attribute("tenant", "gold").scope("shop*");
    let marked = AnnotatingSampler::new(Sampler::always_on())
        .with_attribute("sampled.by", "rule")
        .with_member("vendor", "x");
    let rules = RuleBased::new()
        .with_rule(SpanPredicate::any().name("GET /health"), Sampler::always_off())
        .with_rule(gold, marked);
    let bench = bench(|builder| builder.with_sampler(rules));
    for scope in ["shop::orders", "other"] {
        let scope = InstrumentationScope::builder(scope).build();
        let tracer = bench.spanwise.tracer_with_scope(scope);
        for (name, tenant) in [("GET /", "gold"), ("GET /health", "gold"), ("GET /", "tin")] {
            let builder =
                tracer.span_builder(name).with_attributes([KeyValue::new("tenant", tenant)]);
            drop(builder.start_with_context(&tracer, &Context::new()));
        }
    }
    let request = bench.finish();
    let sampled: Vec<_> = spans(&request).collect();
    assert_eq!(sampled.len(), 1);
    assert_eq!(sampled[0].trace_state, "vendor=x");
    assert!(sampled[0].attributes.iter().any(|attribute| attribute.key == "sampled.by"));
    assert_eq!(bench.spanwise.ledger().sampled_out, 5);
}

#[test]
fn the_sampler_is_exchanged_under_load() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("test");
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                for _ in 0..20_000 {
                    let root = tracer.root("root", spanwise_sdk::SpanKind::Internal);
                    let child =
                        tracer.child("child", spanwise_sdk::SpanKind::Internal, root.context());
                    // A trace stays whole whenever the sampler changes.
                    let sampled = root.context().is_sampled();
                    assert_eq!(child.context().is_sampled(), sampled);
                    child.finish();
                    root.finish();
                }
            });
        }
        for round in 0..300 {
            match round % 3 {
                0 => bench.spanwise.set_sampler(Sampler::always_off().parent_based()),
                1 => bench.spanwise.set_sampler(Sampler::probability(0.2).unwrap().parent_based()),
                _ => bench.spanwise.set_sampler(Sampler::default()),
            }
        }
        bench.spanwise.set_sampler(Sampler::always_off().parent_based());
    });
    assert!(!tracer.start("after").is_recording());
    bench.spanwise.shutdown_timeout(LONG).unwrap();
    assert_idle(&bench.spanwise.ledger());
}

#[test]
fn an_adaptive_sampler_counts_the_spans_it_samples() {
    let adaptive = Adaptive::builder().with_traces_per_second(50.0).build().unwrap();
    let sampler = Sampler::from(adaptive.clone()).parent_based();
    let bench = bench(|builder| builder.with_sampler(sampler));
    let tracer = bench.spanwise.tracer("test");
    for _ in 0..20_000 {
        tracer.root("GET /", spanwise_sdk::SpanKind::Server).finish();
    }
    let request = bench.finish();
    let sampled = spans(&request).count() as u64;
    assert_eq!(sampled, adaptive.state().sampled);
    assert!((1..20_000).contains(&sampled), "{sampled}");
}

/// A collector's sampling endpoint: it returns the answer that the test set last, and records the
/// requests.
struct Collector {
    peer: Peer,
    shared: Arc<Mutex<(String, Vec<String>)>>,
}

impl Collector {
    fn new(answer: &str) -> Self {
        let shared = Arc::new(Mutex::new((answer.to_owned(), Vec::new())));
        let theirs = shared.clone();
        let peer = Peer::start(move |stream| serve(stream, &theirs)).unwrap();
        Self { peer, shared }
    }

    fn answer(&self, answer: &str) {
        self.shared.lock().unwrap().0 = answer.to_owned();
    }

    /// Request lines with their bodies.
    fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().1.clone()
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<(String, Vec<String>)>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut posted = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut posted).unwrap();
    let mut shared = shared.lock().unwrap();
    let line = head.lines().next().unwrap_or_default();
    let posted = String::from_utf8(posted).unwrap();
    shared.1.push(format!("{line} {posted}").trim_end().to_owned());
    // A separator line divides the answer to the first path from that to the second.
    let (first, second) = shared.0.split_once("\n---\n").unwrap_or((&shared.0, ""));
    let body = if line.contains("SamplingTargets") { second } else { first };
    let _closed = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// Waits until `done` returns true; fails after [`LONG`].
fn until(event: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "{event}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_collector_sets_the_sampling_strategy() {
    let collector = Collector::new(r#"{"probabilisticSampling":{"samplingRate":1}}"#);
    let endpoint = format!("{}/api/sampling", collector.peer.endpoint());
    let variables = [
        ("OTEL_SERVICE_NAME", "my shop".into()),
        ("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote".into()),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            format!("endpoint={endpoint},pollingIntervalMs=20,initialSamplingRate=0"),
        ),
    ];
    let log = DiagnosticLog::default();
    let spanwise = log.attach(environment(&variables)).build().unwrap();
    let tracer = spanwise.tracer("test");
    let samples = |name: &'static str| tracer.start(name).is_recording();
    until("every root is sampled", || samples("GET /"));
    assert_eq!(collector.requests()[0], "GET /api/sampling?service=my%20shop HTTP/1.1");
    // Children follow their parent; the strategy decides about roots only.
    assert!(!tracer.start_with_context("child", &remote(false, 7, "")).is_recording());
    assert_eq!(tracer.start("GET /").span_context().trace_state().header(), "ot=th:0");

    collector.answer(
        r#"{"operationSampling":{"defaultSamplingProbability":1,"perOperationStrategies":[
            {"operation":"GET /health","probabilisticSampling":{"samplingRate":0}}]}}"#,
    );
    until("one operation is dropped", || !samples("GET /health"));
    assert!(samples("GET /"));

    // An invalid answer changes no decision and is reported.
    collector.answer(r#"{"probabilisticSampling":{"samplingRate":7}}"#);
    until("it is reported", || log.lines().iter().any(|line| line.contains("samplingRate")));
    assert!(samples("GET /") && !samples("GET /health"));
    assert!(log.lines().iter().all(|line| !line.contains("my%20shop")));
}

#[test]
fn an_absent_collector_is_reported_and_the_initial_rate_holds() {
    let log = DiagnosticLog::default();
    let settings = JaegerSettings::default()
        .with_endpoint("http://127.0.0.1:1/sampling")
        .and_then(|settings| settings.with_initial_probability(1.0))
        .unwrap();
    let spanwise =
        log.attach(discarding(builder()).with_remote_sampling(settings)).build().unwrap();
    until("it is reported", || {
        log.lines().iter().any(|line| line.contains("no sampling strategy"))
    });
    assert!(spanwise.tracer("test").start("GET /").is_recording());
    spanwise.shutdown_timeout(LONG).unwrap();
}

#[test]
fn xray_sets_the_sampling_rules() {
    // The target of "rest" arrives a second after the rules, and then every second. It samples all
    // spans until the test has observed that.
    let rules = |health: f64, rest: f64| {
        let rule = |name: &str, priority: u32, path: &str, rate: f64| {
            format!(
                r#"{{"SamplingRule":{{"RuleName":"{name}","Priority":{priority},"FixedRate":{rate},
                "ReservoirSize":0,"ServiceName":"my*","ServiceType":"*","Host":"*",
                "HTTPMethod":"GET","URLPath":"{path}","ResourceARN":"*","Version":1}}}}"#
            )
        };
        let rules = [rule("rest", 10, "*", 1.0), rule("health", 1, "/health?", health)].join(",");
        let target = format!(r#"{{"RuleName":"rest","FixedRate":{rest},"Interval":1}}"#);
        let targets = format!(r#"{{"SamplingTargetDocuments":[{target}]}}"#);
        format!("{{\"SamplingRuleRecords\":[{rules}]}}\n---\n{targets}")
    };
    let collector = Collector::new(&rules(0.0, 1.0));
    let endpoint = collector.peer.endpoint();
    let variables = [
        ("OTEL_SERVICE_NAME", "my shop".into()),
        ("OTEL_TRACES_SAMPLER", "xray".into()),
        ("OTEL_TRACES_SAMPLER_ARG", format!("endpoint={endpoint},polling_interval=1")),
    ];
    let log = DiagnosticLog::default();
    let spanwise = log.attach(environment(&variables)).build().unwrap();
    let tracer = spanwise.tracer("test");
    let get = |path: &'static str| {
        let attributes =
            [KeyValue::new("http.request.method", "GET"), KeyValue::new("url.path", path)];
        let builder = tracer.span_builder("GET").with_attributes(attributes);
        builder.start_with_context(&tracer, &Context::new())
    };
    // Without rules one span in twenty is sampled at random; ten in a row prove the rules.
    until("every span but health checks is sampled", || {
        (0..10).all(|_| get("/cart").is_recording()) && !get("/healthz").is_recording()
    });
    assert_eq!(collector.requests()[0], "POST /GetSamplingRules HTTP/1.1 {}");
    assert_eq!(get("/cart").span_context().trace_state().header(), "ot=th:0");
    // Children follow their parent; the strategy decides about roots only.
    assert!(!tracer.start_with_context("child", &remote(false, 7, "")).is_recording());

    // The sampler reports the counts of its rules, and the answer's target is in force.
    collector.answer(&rules(0.0, 0.0));
    until("the target is in force", || !get("/cart").is_recording());
    // The sampler reports each rule at its own time: the target may have come with the other answer.
    let reported = ["POST /SamplingTargets ", r#""RuleName":"rest""#, r#""ClientID":""#];
    until("it is reported", || {
        collector
            .requests()
            .iter()
            .any(|request| reported.iter().all(|part| request.contains(part)))
    });

    // The next poll receives other rules; invalid rules change no decision.
    collector.answer(&rules(1.0, 0.0));
    until("health checks are sampled", || get("/healthz").is_recording());
    collector.answer(&rules(7.0, 0.0));
    until("it is reported", || log.lines().iter().any(|line| line.contains("FixedRate")));
    assert!(get("/healthz").is_recording() && !get("/cart").is_recording());
}
