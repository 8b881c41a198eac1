//! Threads of a provider beside its exports.

use crate::harness::{Bench, LONG, bench, builder, until};
use crate::observed::Observed;
use crate::{make_spans, observe, silent};
use spanwise_admin::AdminEndpoint;
use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::JaegerSettings;
use spanwise_sdk::{LocalTrace, MetricsExport, Protocol, SpoolSettings};
use spanwise_testkit::{Peer, in_own_process};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, SeqCst));
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{process}-{number}"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}

/// A server that answers each request with `body`, and the number of its requests.
fn server(body: &'static str) -> (Peer, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let peer = Peer::start(move |stream| {
        let _closed = answer(stream, body);
        count.fetch_add(1, SeqCst);
    });
    (peer.unwrap(), requests)
}

fn answer(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut posted = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut posted)?;
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

#[test]
fn metrics_export() {
    let (server, requests) = server("");
    let make = || {
        let export = MetricsExport::new()
            .with_interval(Duration::from_millis(100))
            .with_endpoint(server.endpoint());
        bench(|builder| builder.with_metrics_export(export))
    };
    silent("threads::metrics_export", make, |_| {
        let before = requests.load(SeqCst);
        until("metrics arrived", || requests.load(SeqCst) > before + 2);
    });
}

#[test]
fn remote_sampling() {
    let (server, requests) = server(r#"{"probabilisticSampling":{"samplingRate":1}}"#);
    let make = || {
        let settings = JaegerSettings::default()
            .with_endpoint(&format!("{}/sampling", server.endpoint()))
            .and_then(|settings| settings.with_initial_probability(1.0))
            .and_then(|settings| settings.with_interval(Duration::from_millis(20)))
            .unwrap();
        bench(|builder| builder.with_remote_sampling(settings))
    };
    silent("threads::remote_sampling", make, |_| {
        let before = requests.load(SeqCst);
        until("strategies were read", || requests.load(SeqCst) > before + 2);
    });
}

#[test]
fn tail_sampling() {
    let make = || {
        let all = |_: &LocalTrace<'_>| true;
        bench(|builder| builder.with_protocol(Protocol::Grpc).with_tail_sampling(all))
    };
    silent("threads::tail_sampling", make, |_| {});
}

#[test]
fn a_spool() {
    in_own_process("threads::a_spool", || {
        let directory = Directory::new("silent-spool");
        let build = |endpoint: &str| {
            builder()
                .with_scheduled_delay(Duration::from_millis(5))
                .with_export_timeout(Duration::from_millis(50))
                .with_endpoint(endpoint)
                .with_spool(SpoolSettings::new(&directory.0))
                .build()
                .unwrap()
        };
        let spanwise = build("http://127.0.0.1:1");
        let observed = Observed::default();
        let layer = spanwise_tracing::layer(&spanwise);
        observe(tracing_subscriber::registry().with(observed.clone()).with(layer), &[&spanwise]);
        make_spans();
        until("spans are on disk", || spanwise.ledger().spooled > 0);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_eq!((ledger.created, ledger.spooled), (crate::SPANS as u64, crate::SPANS as u64));

        // Spans of the shut down provider are none; the next provider sends what the spool has.
        make_spans();
        let (receiver, collected) = Receiver::collecting().unwrap();
        let next = build(&receiver.http_endpoint());
        assert!(collected.wait_for_spans(crate::SPANS as u64, LONG));
        next.shutdown_timeout(LONG).unwrap();
        assert_eq!(collected.spans(), crate::SPANS as u64);
        assert_eq!(observed.foreign(), [""; 0]);
    });
}

#[test]
fn the_admin_endpoint() {
    let make = || bench(|builder| builder);
    silent("threads::the_admin_endpoint", make, |bench: &Bench| {
        let admin = AdminEndpoint::builder().with_address("127.0.0.1:0").build(&bench.spanwise);
        let admin = admin.unwrap();
        for path in ["/metrics", "/debug/spanwise", "/debug/spanwise.json", "/absent"] {
            let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
            let host = admin.local_addr();
            write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
                .unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("HTTP/1.1 "), "{text}");
        }
        admin.shutdown();
    });
}

#[test]
fn the_watch_of_the_configuration_file() {
    let directory = Directory::new("silent-watch");
    let read = Arc::new(AtomicUsize::new(0));
    let files = Mutex::new(Vec::new());
    let make = || {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let mut files = files.lock().unwrap();
        let path = directory.0.join(format!("{}.yaml", files.len()));
        fs::write(&path, configuration(&receiver, 10)).unwrap();
        files.push(path.clone());
        let count = read.clone();
        let spanwise = builder()
            .with_config_file(path)
            .with_config_file_watch(Duration::from_secs(1))
            .with_diagnostics(move |_| _ = count.fetch_add(1, SeqCst))
            .build()
            .unwrap();
        Bench { spanwise, receiver, collected }
    };
    silent("threads::the_watch_of_the_configuration_file", make, |bench| {
        let before = read.load(SeqCst);
        let path = files.lock().unwrap().remove(0);
        fs::write(path, configuration(&bench.receiver, 20)).unwrap();
        until("the file was read again", || read.load(SeqCst) > before);
    });
}

/// A configuration file with this delay in milliseconds.
fn configuration(receiver: &Receiver, delay: u32) -> String {
    format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        \
         schedule_delay: {delay}\n        exporter:\n          otlp_http:\n            \
         endpoint: {}/v1/traces\n",
        receiver.http_endpoint()
    )
}

#[test]
fn the_doctor() {
    in_own_process("threads::the_doctor", || {
        let bench = bench(|builder| builder.with_protocol(Protocol::Grpc));
        let observed = Observed::default();
        let layer = spanwise_tracing::layer(&bench.spanwise);
        observe(
            tracing_subscriber::registry().with(observed.clone()).with(layer),
            &[&bench.spanwise],
        );
        make_spans();
        let endpoint = bench.receiver.http_endpoint();
        let settings = builder().with_endpoint(endpoint).with_protocol(Protocol::Grpc);
        for report in [bench.spanwise.doctor(), settings.doctor()] {
            assert!(report.span_arrived(), "{report}");
        }
        make_spans();
        bench.spanwise.shutdown_timeout(LONG).unwrap();
        let received = bench.received();
        let (own, of_doctor): (Vec<_>, Vec<_>) =
            received.iter().partition(|span| span.name == "program");
        assert_eq!((own.len(), of_doctor.len()), (2 * crate::SPANS, 2), "{of_doctor:?}");
        assert_eq!(observed.foreign(), [""; 0]);
    });
}
