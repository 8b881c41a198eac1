//! A running provider takes another configuration, and loses no span by it.

use crate::support;

use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Threshold,
};
use spanwise_sdk::{
    Bytes, Compression, Destination, Exporter, LogLevel, Outcome, Protocol, ReloadError, Reloaded,
    Sink, SpanKind, SpanLimits, Spanwise, SpanwiseBuilder,
};
use spanwise_testkit::{Peer, spans};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Bench, DiagnosticLog, LONG, assert_idle, bench, builder};

/// Finishes `count` roots with two attributes, and returns the ids of those that are sampled.
fn finish(spanwise: &Spanwise, count: u64) -> Vec<[u8; 8]> {
    let tracer = spanwise.tracer("reload");
    let spans = (0..count).filter_map(|number| {
        let mut span = tracer.root("span", SpanKind::Internal);
        span.attribute("first", number as i64);
        span.attribute("second", "text");
        span.event("event", &[]);
        let context = span.context().clone();
        span.finish();
        context.is_sampled().then(|| context.span_id().to_bytes())
    });
    spans.collect()
}

fn names(changes: &[spanwise_sdk::SettingChange]) -> Vec<&'static str> {
    changes.iter().map(|change| change.setting).collect()
}

#[test]
fn spans_go_to_the_endpoint_that_the_configuration_has_at_the_time() {
    let first = bench(|builder| builder);
    let (receiver, collected) = Receiver::collecting().unwrap();
    let before = finish(&first.spanwise, 100);
    // They are in the queue: requests are made for the endpoint of the time.
    first.spanwise.force_flush_timeout(LONG).unwrap();
    let next = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_sampler(Sampler::always_on())
        .with_span_limits(SpanLimits::default().with_attributes(1).with_events(0))
        .with_max_export_batch_size(10)
        .with_max_in_flight(2)
        .with_compression(Compression::Gzip);
    let reloaded = first.spanwise.reload(next).unwrap();
    assert_eq!(
        names(&reloaded.changed),
        [
            "with_max_export_batch_size",
            "with_max_in_flight",
            "with_span_limits, attributes",
            "with_span_limits, events",
            "with_endpoint",
            "with_compression",
            "with_sampler",
        ]
    );
    assert_eq!(reloaded.needs_restart, []);
    let text = reloaded.to_string();
    assert!(text.contains("with_max_in_flight from 4 to 2"), "{text}");
    assert!(
        text.contains(&receiver.http_endpoint()) && text.contains("from none to gzip"),
        "{text}"
    );
    // The exporter's thread takes it over at its next turn.
    first.spanwise.force_flush_timeout(LONG).unwrap();
    let after = finish(&first.spanwise, 100);
    first.spanwise.shutdown_timeout(LONG).unwrap();
    let ledger = first.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (200, 200));
    let ids = |collected: &spanwise_receiver::Collected| {
        let mut ids: Vec<_> = collected.span_ids().into_iter().map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |mut ids: Vec<[u8; 8]>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!((ids(&first.collected), ids(&collected)), (sorted(before), sorted(after)));
    let decoded = collected.bodies();
    let decoded: Vec<_> = decoded.iter().map(|body| spanwise_testkit::decode(body)).collect();
    assert!(decoded.iter().all(|request| spans(request).count() <= 10));
    let all: Vec<_> = decoded.iter().flat_map(spans).collect();
    assert!(
        all.iter().all(|span| span.attributes.len() == 1 && span.dropped_attributes_count == 1)
    );
    assert!(all.iter().all(|span| span.events.is_empty() && span.dropped_events_count == 1));
}

#[test]
fn an_equal_configuration_changes_nothing() {
    let configure = |builder: SpanwiseBuilder| {
        builder
            .with_service_name("shop")
            .with_sampling_ratio(0.25)
            .with_header("api-key", "hunter2")
            .with_destination(to_sink("archive"))
    };
    let Bench { spanwise, receiver, .. } = bench(configure);
    let next = configure(builder()).with_endpoint(receiver.http_endpoint());
    let reloaded = spanwise.reload(next).unwrap();
    assert!(reloaded.is_unchanged(), "{reloaded}");
    assert_eq!(
        (reloaded, "nothing changed"),
        (Reloaded::default(), &*Reloaded::default().to_string())
    );
}

fn to_sink(name: &str) -> Destination {
    let accept = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let transport = spanwise_transport::Transport::builder().with_sink(accept).build().unwrap();
    Destination::new(transport).with_name(name)
}

#[test]
fn an_invalid_configuration_changes_nothing() {
    let log = DiagnosticLog::default();
    let Bench { spanwise, collected, receiver } = bench(|builder| log.attach(builder));
    let before = format!("{spanwise:?} {:?}", spanwise.batching());
    let ours = || builder().with_endpoint("http://127.0.0.1:1").with_sampling_ratio(0.5);
    let invalid: [(&str, SpanwiseBuilder); 9] = [
        ("with_endpoint", ours().with_endpoint("ftp://host")),
        ("with_max_in_flight", ours().with_max_in_flight(0)),
        ("with_sampling_ratio", ours().with_sampling_ratio(2.0)),
        ("with_sampler", ours().with_sampler(Sampler::always_on())),
        ("with_header", ours().with_header("bad name", "hunter2")),
        ("with_span_limits", ours().with_span_limits(SpanLimits::default().with_span_bytes(1))),
        ("with_max_queue_size", ours().with_max_queue_size(1)),
        ("with_budget_bytes", ours().with_budget_bytes(1)),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            ours().with_environment(|name| {
                (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "carrier pigeon".to_owned())
            }),
        ),
    ];
    for (setting, next) in invalid {
        let error = spanwise.reload(next).unwrap_err();
        assert!(matches!(error, ReloadError::Build(_)), "{setting}: {error}");
        let error = error.to_string();
        let setting = if setting == "with_sampler" { "with_sampling_ratio" } else { setting };
        assert!(error.contains(setting) && !error.contains("hunter2"), "{setting}: {error}");
        assert_eq!(format!("{spanwise:?} {:?}", spanwise.batching()), before);
    }
    finish(&spanwise, 10);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((spanwise.ledger().exported, collected.spans()), (10, 10));
    drop(receiver);
}

#[test]
fn settings_that_stay_are_named() {
    let Bench { spanwise, receiver, collected } = bench(|builder| builder);
    struct Nothing;
    impl spanwise_sdk::SpanProcessor for Nothing {}
    let next = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_service_name("another")
        .with_budget_bytes(32 << 20)
        .with_shutdown_timeout(Duration::from_secs(1))
        .with_destination(to_sink("archive"))
        .with_span_processor(Nothing)
        .with_max_in_flight(7);
    let reloaded = spanwise.reload(next).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_max_in_flight"]);
    assert_eq!(
        names(&reloaded.needs_restart),
        [
            "with_resource",
            "with_budget_bytes",
            "with_shutdown_timeout",
            "with_span_processor",
            "with_destination",
        ]
    );
    let text = reloaded.to_string();
    assert!(text.contains("with_budget_bytes from 16777216 to 33554432"), "{text}");
    assert!(text.contains("with_destination from [] to [archive]"), "{text}");
    let disabled =
        builder().with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()));
    let reloaded = spanwise.reload(disabled.with_max_in_flight(1)).unwrap();
    assert_eq!(
        (names(&reloaded.changed), names(&reloaded.needs_restart)),
        (vec![], vec!["OTEL_SDK_DISABLED"])
    );
    let reloaded = spanwise.reload(builder().with_exporter(Exporter::None)).unwrap();
    assert_eq!(names(&reloaded.needs_restart), ["with_exporter"]);
    let sink = |_: Bytes| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let reloaded = spanwise.reload(builder().with_sink(sink)).unwrap();
    assert_eq!(names(&reloaded.needs_restart), ["with_sink"]);
    assert_eq!(spanwise.batching().load().max_in_flight, 4);
    finish(&spanwise, 10);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((spanwise.ledger().exported, collected.spans()), (10, 10));
}

#[test]
fn a_sink_stays_while_the_other_settings_change() {
    let requests = Arc::new(Mutex::new(0));
    let received = requests.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |_: Bytes| {
        *received.lock().unwrap() += 1;
        std::future::ready(Outcome::Accepted { rejected: 0, message: None })
    });
    let spanwise = builder().with_sink(sink.clone()).build().unwrap();
    let reloaded =
        spanwise.reload(builder().with_endpoint("http://127.0.0.1:1").with_max_in_flight(2));
    let reloaded = reloaded.unwrap();
    assert_eq!(names(&reloaded.changed), ["with_max_in_flight"]);
    assert_eq!(names(&reloaded.needs_restart), ["with_endpoint"]);
    finish(&spanwise, 1);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((spanwise.ledger().exported, *requests.lock().unwrap()), (1, 1));
}

#[test]
fn headers_and_the_protocol_change_and_show_no_secret() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let receiver = Receiver::builder()
        .with_handler(move |export| {
            let key = export.headers.get_str("api-key").unwrap_or_default().to_owned();
            log.lock().unwrap().push((key, format!("{:?}", export.protocol), export.spans));
            Answer::Accept
        })
        .start()
        .unwrap();
    let ours = || builder().with_endpoint(receiver.http_endpoint());
    let spanwise = ours().with_header("api-key", "hunter1").build().unwrap();
    finish(&spanwise, 1);
    spanwise.force_flush_timeout(LONG).unwrap();
    let next = ours().with_header("api-key", "hunter2").with_protocol(Protocol::HttpJson);
    let reloaded = spanwise.reload(next).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_protocol", "with_header"]);
    assert!(!format!("{reloaded} {reloaded:?}").contains("hunter"), "{reloaded}");
    spanwise.force_flush_timeout(LONG).unwrap();
    finish(&spanwise, 2);
    spanwise.shutdown_timeout(LONG).unwrap();
    let seen = seen.lock().unwrap();
    let expected = [("hunter1", "Http", 1), ("hunter2", "HttpJson", 2)];
    let expected =
        expected.map(|(key, protocol, spans)| (key.to_owned(), protocol.to_owned(), spans));
    assert_eq!(*seen, expected);
}

#[test]
fn a_dead_endpoint_is_left_while_its_queue_is_full() {
    let stuck = Peer::start(|stream| {
        // It accepts the connection and never answers.
        std::thread::sleep(LONG);
        drop(stream);
    })
    .unwrap();
    let (receiver, collected) = Receiver::collecting().unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log
        .attach(builder())
        .with_endpoint(stuck.endpoint())
        .with_budget_bytes(1 << 20)
        .with_scheduled_delay(Duration::from_millis(10))
        .build()
        .unwrap();
    while spanwise.ledger().dropped_total() == 0 {
        finish(&spanwise, 100);
    }
    let before = collected.spans();
    let next = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .with_scheduled_delay(Duration::from_millis(10));
    assert_eq!(names(&spanwise.reload(next).unwrap().changed), ["with_endpoint"]);
    assert!(
        collected.wait_for_spans(before + 1, LONG),
        "the spans that wait go to the new endpoint"
    );
    std::mem::forget(stuck);
    let timed_out = spanwise.shutdown_timeout(Duration::from_millis(500)).unwrap_err();
    let ledger = support::wait_until_idle(&spanwise);
    assert_idle(&ledger);
    assert_eq!(collected.spans(), ledger.exported, "{timed_out}");
    assert!(ledger.ambiguous() > 0, "{ledger}");
}

/// A sampler of the user's.
#[derive(Debug)]
struct Own(bool);

impl ComposableSampler for Own {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if self.0 { SamplingIntent::keep(Threshold::KEEP_ALL) } else { SamplingIntent::DROP }
    }

    fn description(&self) -> String {
        "Own".to_owned()
    }
}

#[test]
fn a_sampler_of_yours_is_replaced_unless_it_is_the_same() {
    let sampler = Sampler::from(Own(true));
    let Bench { spanwise, receiver, .. } = bench(|builder| builder.with_sampler(sampler.clone()));
    let ours = || builder().with_endpoint(receiver.http_endpoint());
    assert!(spanwise.reload(ours().with_sampler(sampler)).unwrap().is_unchanged());
    // Its description is the same, and its decisions may be others.
    let reloaded = spanwise.reload(ours().with_sampler(Own(false))).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_sampler"]);
    assert!(finish(&spanwise, 1).is_empty());
    spanwise.set_sampler(Sampler::always_on());
    assert_eq!(finish(&spanwise, 1).len(), 1);
    // The configuration counts, and not what the code has set since.
    let reloaded = spanwise.reload(ours().with_sampling_ratio(0.0)).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_sampler"]);
    assert!(finish(&spanwise, 1).is_empty());
}

#[test]
fn variables_are_read_again() {
    let variables = Arc::new(Mutex::new("0"));
    let read = variables.clone();
    let ours = move || {
        let read = read.clone();
        builder()
            .with_sink(|_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } })
            .with_environment(move |name| match name {
                "OTEL_TRACES_SAMPLER" => Some("traceidratio".to_owned()),
                "OTEL_TRACES_SAMPLER_ARG" => Some((*read.lock().unwrap()).to_owned()),
                _ => None,
            })
    };
    let spanwise = ours().build().unwrap();
    assert!(finish(&spanwise, 1).is_empty());
    *variables.lock().unwrap() = "1";
    let reloaded = spanwise.reload(ours()).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_sampler"]);
    assert_eq!(finish(&spanwise, 1).len(), 1);
}

#[test]
fn the_log_level_of_the_default_handler_changes() {
    let ours = || {
        let sink = |_: Bytes| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        Spanwise::builder().with_environment(|_| None).with_sink(sink)
    };
    let spanwise = ours().build().unwrap();
    let reloaded = spanwise.reload(ours().with_log_level(LogLevel::Error)).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_log_level"]);
    assert!(reloaded.to_string().contains("with_log_level from info to error"), "{reloaded}");
    // A handler of the program's own receives every diagnostic.
    let Bench { spanwise, receiver, .. } = bench(|builder| builder);
    let next = builder().with_endpoint(receiver.http_endpoint()).with_log_level(LogLevel::Error);
    assert_eq!(names(&spanwise.reload(next).unwrap().changed), Vec::<&str>::new());
}

#[cfg(feature = "jaeger")]
#[test]
fn remote_sampling_begins_and_ends() {
    use spanwise_sdk::sampling::JaegerSettings;
    use std::io::{Read as _, Write as _};
    let collector = Peer::start(move |mut stream| {
        let mut head = [0; 1024];
        let _read = stream.read(&mut head);
        let body =
            r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.0}}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _sent = stream.write_all(format!("{head}{body}").as_bytes());
    })
    .unwrap();
    let Bench { spanwise, receiver, .. } = bench(|builder| builder);
    let ours = || builder().with_endpoint(receiver.http_endpoint());
    let settings = JaegerSettings::default()
        .with_endpoint(&collector.endpoint())
        .unwrap()
        .with_interval(Duration::from_millis(10))
        .unwrap()
        .with_initial_probability(1.0)
        .unwrap();
    let remote = || ours().with_remote_sampling(settings.clone());
    assert_eq!(names(&spanwise.reload(remote()).unwrap().changed), ["with_sampler"]);
    assert!(spanwise.reload(remote()).unwrap().is_unchanged());
    let patience = std::time::Instant::now() + LONG;
    while !finish(&spanwise, 1).is_empty() {
        assert!(std::time::Instant::now() < patience, "no strategy came");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(names(&spanwise.reload(ours()).unwrap().changed), ["with_sampler"]);
    assert_eq!(finish(&spanwise, 1).len(), 1);
    let text = format!("{spanwise:?}");
    assert!(!text.contains("Jaeger"), "{text}");
}

#[test]
fn a_provider_without_an_export_is_not_reloaded() {
    let refused = |spanwise: &Spanwise, reason: &str| {
        let error = spanwise.reload(builder()).unwrap_err();
        assert!(matches!(error, ReloadError::NotRunning { .. }), "{error}");
        assert_eq!(error.to_string(), format!("the provider cannot be reloaded: {reason}"));
    };
    refused(&builder().with_exporter(Exporter::None).build().unwrap(), "it exports nothing");
    let disabled =
        builder().with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()));
    refused(&disabled.build().unwrap(), "it is disabled");
    let Bench { spanwise, .. } = bench(|builder| builder);
    spanwise.shutdown_timeout(LONG).unwrap();
    refused(&spanwise, "it is shut down");
}
